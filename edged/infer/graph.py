"""The graph of a .tflite file as it stands in the file, without an interpreter.

Field numbers are those of the LiteRT schema
(https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edged.core.errors import ModelRejected
from edged.infer.flatbuffer import Table

IDENTIFIER = b"TFL3"
"""The file identifier, at bytes 4 to 8."""

EDGETPU_OP = "edgetpu-custom-op"
"""The operator into which Coral's compiler folds what runs on the accelerator."""

CUSTOM_BUILTIN = 32
"""BuiltinOperator_CUSTOM: the operator is named by its custom code."""

_MAX_SUBGRAPHS = 1024
_MAX_OPERATORS = 65_536
_MAX_TENSORS = 262_144
_MAX_NAME_BYTES = 1024
_MAX_OUTPUTS = 256


@dataclass(frozen=True, slots=True)
class OperatorKind:
    """An operator's number in the schema, and its name if it is custom."""

    builtin: int
    custom: str


@dataclass(frozen=True, slots=True)
class Graph:
    """A model's root table, and how it reads. Every method may raise ModelRejected."""

    root: Table

    @classmethod
    def read(cls, data: bytes, what: str) -> Graph:
        """The graph in ``data``, the bytes of a .tflite; ``what`` names it in errors."""
        return cls(Table.root(data, IDENTIFIER, what))

    @property
    def main(self) -> Table:
        """The subgraph that runs: the first."""
        subgraphs = self.root.tables(2, _MAX_SUBGRAPHS)
        if not subgraphs:
            raise ModelRejected(f"{self.root.what}: the model has no graph")
        return subgraphs[0]

    def operators(self) -> dict[OperatorKind, int]:
        """How often each kind of operator occurs in the graph that runs, the most frequent first."""
        codes = [_kind(code) for code in self.root.tables(1, _MAX_OPERATORS)]
        counts: Counter[OperatorKind] = Counter()
        for operator in self.main.tables(3, _MAX_OPERATORS):
            index = operator.integer(0)
            if index >= len(codes):
                raise ModelRejected(f"{self.root.what}: an operator of kind {index}, where the file declares {len(codes)} kinds")
            counts[codes[index]] += 1
        return dict(counts.most_common())

    def custom_operators(self) -> frozenset[str]:
        """The names of the custom operators that run."""
        return frozenset(kind.custom for kind in self.operators() if kind.custom)

    def outputs_of(self, custom: str) -> tuple[int, ...]:
        """Which output of the custom operator ``custom`` each of the model's outputs is; empty unless all are outputs of it."""
        codes = [_kind(code) for code in self.root.tables(1, _MAX_OPERATORS)]
        ends = self.main.integers(2, _MAX_OUTPUTS)
        for operator in self.main.tables(3, _MAX_OPERATORS):
            index = operator.integer(0)
            made = operator.integers(2, _MAX_OUTPUTS)
            if index < len(codes) and codes[index].custom == custom and ends and set(ends) <= set(made):
                return tuple(made.index(tensor) for tensor in ends)
        return ()

    def inputs(self) -> tuple[Table, ...]:
        """The tensors that go in, in order."""
        return self._tensors(1)

    def outputs(self) -> tuple[Table, ...]:
        """The tensors that come out, in order."""
        return self._tensors(2)

    def constant_bytes(self) -> int:
        """Bytes of weights and other constants, each counted once however many tensors share it."""
        buffers = self.root.tables(4, _MAX_TENSORS)
        used = {tensor.integer(2) for tensor in self.main.tables(0, _MAX_TENSORS)}
        return sum(len(buffers[index].blob(0)) for index in used if index < len(buffers))

    def metadata_buffer(self, name: str) -> memoryview | None:
        """The buffer that is registered under ``name``, ``None`` if there is none."""
        for entry in self.root.tables(6, _MAX_SUBGRAPHS):
            if entry.text(0, _MAX_NAME_BYTES) == name:
                index = entry.integer(1)
                buffers = self.root.tables(4, _MAX_TENSORS)
                if index >= len(buffers):
                    raise ModelRejected(f"{self.root.what}: {name} is in buffer {index}, where the file has {len(buffers)}")
                return buffers[index].blob(0)
        return None

    def _tensors(self, slot: int) -> tuple[Table, ...]:
        tensors = self.main.tables(0, _MAX_TENSORS)
        indices = self.main.integers(slot, _MAX_OUTPUTS)
        if any(not 0 <= index < len(tensors) for index in indices):
            raise ModelRejected(f"{self.root.what}: an input or output names a tensor that is not there")
        return tuple(tensors[index] for index in indices)


def _kind(code: Table) -> OperatorKind:
    """Old files keep the number in a byte, newer ones in 32 bits; the larger of both is meant (schema.fbs, OperatorCode)."""
    builtin = max(code.integer(0, "b"), code.integer(3, "i"))
    return OperatorKind(builtin, code.text(1, _MAX_NAME_BYTES) if builtin == CUSTOM_BUILTIN else "")
