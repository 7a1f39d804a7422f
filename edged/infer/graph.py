"""The graph of a .tflite file as it stands in the file, without an interpreter.

Field numbers are those of the LiteRT schema
(https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from edged.core.errors import ModelRejected
from edged.core.operators import CUSTOM_BUILTIN, Operator
from edged.infer.flatbuffer import Table
from edged.infer.text import shown

IDENTIFIER = b"TFL3"
"""The file identifier, at bytes 4 to 8."""

EDGETPU_OP = "edgetpu-custom-op"
"""The operator into which Coral's compiler folds what runs on the accelerator."""

TYPES = (
    *("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8", "float64"),
    *("complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4", "bfloat16"),
)
"""Names of TensorType's numbers, from 0."""

_MAX_SUBGRAPHS = 1024
_MAX_OPERATORS = 65_536
_MAX_TENSORS = 262_144
_MAX_NAME_BYTES = 1024
_MAX_OUTPUTS = 256
_MAX_DIMENSIONS = 16
_MAX_TENSORS_OF_OPERATOR = 4096

_ITEM_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 8: 64, 9: 8, 10: 64, 11: 128, 12: 64, 15: 32, 16: 16, 17: 4, 18: 16}
"""Bits of one item by TensorType; text, resources and variants (5, 13, 14) have no size of their own."""


@dataclass(frozen=True, slots=True)
class OperatorKind:
    """An operator's number in the schema, and its name if it is custom."""

    builtin: int
    custom: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory that the graph's tensors take while it runs, weights apart, as far as the file states their shapes.

    ``total_bytes`` is what all of them take together; an interpreter that reuses memory needs less, but never less than
    ``largest_bytes``, what the largest takes, called ``largest_name``. ``tensors`` counts them.
    """

    tensors: int
    total_bytes: int
    largest_bytes: int
    largest_name: str


@dataclass(frozen=True, slots=True)
class Form:
    """Shape and number format of a tensor as the file states them; a dimension of -1 is known at run time only."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype} [{'x'.join(map(str, self.shape))}]"


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
            raise ModelRejected(f"{self.root.what}: the model has no graph", fault="corrupt")
        return subgraphs[0]

    def kinds(self) -> frozenset[OperatorKind]:
        """Every kind of operator that the file declares: what any of its graphs may use."""
        return frozenset(_kind(code) for code in self.root.tables(1, _MAX_OPERATORS))

    def operators(self) -> dict[OperatorKind, int]:
        """How often each kind of operator occurs in the graph that runs, the most frequent first."""
        return dict(Counter(self._kinds_in_order()).most_common())

    def steps(self) -> tuple[Operator, ...]:
        """The operators of the graph that runs, in the order of execution."""
        return tuple(Operator(index, kind.builtin, shown(kind.custom)) for index, kind in enumerate(self._kinds_in_order()))

    def _kinds_in_order(self) -> list[OperatorKind]:
        codes = [_kind(code) for code in self.root.tables(1, _MAX_OPERATORS)]
        kinds = []
        for operator in self.main.tables(3, _MAX_OPERATORS):
            index = operator.integer(0)
            if index >= len(codes):
                raise ModelRejected(
                    f"{self.root.what}: an operator of kind {index}, where the file declares {len(codes)} kinds", fault="corrupt"
                )
            kinds.append(codes[index])
        return kinds

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

    def last_operands(self, custom: str) -> tuple[int, ...]:
        """Numbers of the tensors that the custom operator ``custom`` reads; empty unless all outputs are its own."""
        ends, operators = set(self.output_numbers()), self.main.tables(3, _MAX_OPERATORS)
        if not self.outputs_of(custom) or not operators or not ends <= set(operators[-1].integers(2, _MAX_OUTPUTS)):
            return ()
        return operators[-1].integers(1, _MAX_TENSORS_OF_OPERATOR)

    def output_numbers(self) -> tuple[int, ...]:
        """Numbers of the tensors that come out, in order."""
        return self.main.integers(2, _MAX_OUTPUTS)

    def forms(self) -> tuple[tuple[Form, ...], tuple[Form, ...]]:
        """What goes in and what comes out, in order: the signature of the model."""
        return tuple(map(_form, self.inputs())), tuple(map(_form, self.outputs()))

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

    def workspace(self) -> Workspace:
        """What the tensors that operators, inputs or outputs name will take; computed in whole numbers of any size."""
        buffers, tensors = self.root.tables(4, _MAX_TENSORS), self.main.tables(0, _MAX_TENSORS)
        used = {*self.main.integers(1, _MAX_TENSORS), *self.main.integers(2, _MAX_TENSORS)}
        for operator in self.main.tables(3, _MAX_OPERATORS):
            used.update(operator.integers(1, _MAX_TENSORS_OF_OPERATOR), operator.integers(2, _MAX_TENSORS_OF_OPERATOR))
        sizes: dict[int, int] = {}
        for index in used:
            if 0 <= index < len(tensors):
                buffer = tensors[index].integer(2)
                if buffer >= len(buffers) or not len(buffers[buffer].blob(0)):
                    sizes[index] = _tensor_bytes(tensors[index])
        largest = max(sizes, key=sizes.__getitem__, default=None)
        if largest is None:
            return Workspace(0, 0, 0, "")
        name = shown(tensors[largest].text(3, _MAX_NAME_BYTES))
        return Workspace(len(sizes), sum(sizes.values()), sizes[largest], name)

    def metadata_buffer(self, name: str) -> memoryview | None:
        """The buffer that is registered under ``name``, ``None`` if there is none."""
        for entry in self.root.tables(6, _MAX_SUBGRAPHS):
            if entry.text(0, _MAX_NAME_BYTES) == name:
                index = entry.integer(1)
                buffers = self.root.tables(4, _MAX_TENSORS)
                if index >= len(buffers):
                    raise ModelRejected(
                        f"{self.root.what}: {name} is in buffer {index}, where the file has {len(buffers)}", fault="corrupt"
                    )
                return buffers[index].blob(0)
        return None

    def _tensors(self, slot: int) -> tuple[Table, ...]:
        tensors = self.main.tables(0, _MAX_TENSORS)
        indices = self.main.integers(slot, _MAX_OUTPUTS)
        if any(not 0 <= index < len(tensors) for index in indices):
            raise ModelRejected(f"{self.root.what}: an input or output names a tensor that is not there", fault="corrupt")
        return tuple(tensors[index] for index in indices)


def _form(tensor: Table) -> Form:
    """``shape_signature`` (field 7) holds -1 where ``shape`` holds what was traced; old files have the latter alone."""
    number = tensor.integer(1, "b")
    dtype = TYPES[number] if 0 <= number < len(TYPES) else f"type {number}"
    return Form(tensor.integers(7, _MAX_DIMENSIONS) or tensor.integers(0, _MAX_DIMENSIONS), dtype)


def _tensor_bytes(tensor: Table) -> int:
    """A dimension that is only known at run time is written as 1, or below 0 in old files."""
    count = math.prod(max(1, n) for n in tensor.integers(0, _MAX_DIMENSIONS))
    return -(-count * _ITEM_BITS.get(tensor.integer(1, "b"), 0) // 8)


def _kind(code: Table) -> OperatorKind:
    """Old files keep the number in a byte, newer ones in 32 bits; the larger of both is meant (schema.fbs, OperatorCode)."""
    builtin = max(code.integer(0, "b"), code.integer(3, "i"))
    return OperatorKind(builtin, code.text(1, _MAX_NAME_BYTES) if builtin == CUSTOM_BUILTIN else "")
