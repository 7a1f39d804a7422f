"""Damages model files the way disks, networks and attackers do; for tests of whatever reads them."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from edged.infer.graph import IDENTIFIER, Graph

HEAD_BYTES = 4096
MAX_RUN_BYTES = 4096
MAX_FLIPS = 16
EXTREMES = (0, 1, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
"""What offsets and lengths are replaced by, besides their own neighbours."""


class Mutator:
    """Makes mutants of ``data``, a whole .tflite; ``donors`` are other files that pieces are taken from.

    Half of the damage to bytes is done to the front of the file and to what lies behind the weights, where the graph is; the rest
    is spread evenly, and so mostly meets weights. Damage to the graph ("graph") changes one or two of its numbers in a file that
    stays sound otherwise.
    """

    def __init__(self, data: bytes, donors: Sequence[bytes], random: Random) -> None:
        self._data = data
        self._donors = donors
        self._random = random
        self._graph_at = Graph.read(data, "the original").main.position
        self.kinds: dict[str, Callable[[bytearray], None]] = {
            "bits": self._bits,
            "cut": self._cut,
            "run": self._run,
            "length": self._length,
            "splice": self._splice,
            "swap": self._swap,
            "graph": self._graph,
        }

    def mutant(self) -> tuple[str, bytes]:
        """The kind of damage, and a damaged copy."""
        kind = self._random.choice(list(self.kinds))
        copy = bytearray(self._data)
        self.kinds[kind](copy)
        return kind, bytes(copy)

    def _place(self, data: bytearray, room: int = 1) -> int:
        """Where to damage ``room`` bytes."""
        last = len(data) - room
        begin, end = self._random.choice([(0, last), (0, last), (0, HEAD_BYTES), (self._graph_at, last)])
        return min(last, self._random.randint(begin, max(begin, end)))

    def _bits(self, data: bytearray) -> None:
        for _ in range(self._random.randint(1, MAX_FLIPS)):
            data[self._place(data)] ^= 1 << self._random.randrange(8)

    def _cut(self, data: bytearray) -> None:
        del data[self._place(data) :]

    def _run(self, data: bytearray) -> None:
        length = self._random.randint(1, MAX_RUN_BYTES)
        at = self._place(data, length)
        content = self._random.choice([bytes(length), b"\xff" * length, self._random.randbytes(length)])
        data[at : at + length] = content

    def _length(self, data: bytearray) -> None:
        at = self._place(data, 4) & ~3
        (old,) = struct.unpack_from("<I", data, at)
        near = [(old + step) & 0xFFFF_FFFF for step in (-4, -1, 1, 4, old)]
        struct.pack_into("<I", data, at, self._random.choice([*EXTREMES, *near]))

    def _splice(self, data: bytearray) -> None:
        donor = self._random.choice([*self._donors, self._data])
        length = self._random.randint(1, min(MAX_RUN_BYTES, len(donor)))
        source, at = self._random.randint(0, len(donor) - length), self._place(data, length)
        overwritten = self._random.choice([0, length])  # inserted, everything behind it moves
        data[at : at + overwritten] = donor[source : source + length]

    def _swap(self, data: bytearray) -> None:
        length = self._random.randint(4, MAX_RUN_BYTES)
        one, other = sorted((self._place(data, length), self._place(data, length)))
        length = min(length, other - one)
        first, second = data[one : one + length], data[other : other + length]
        data[one : one + length], data[other : other + length] = second, first

    def _graph(self, data: bytearray) -> None:
        model = schema.ModelT.InitFromPackedBuf(bytes(data))
        for _ in range(self._random.randint(1, 2)):
            self._damage(model)
        builder = flatbuffers.Builder(len(data))
        builder.Finish(model.Pack(builder), IDENTIFIER)
        data[:] = builder.Output()

    def _damage(self, model: Any) -> None:
        """Change one number: a tensor's place at an operator, its shape, type or scale, or the kind of an operator."""
        random, graph = self._random, model.subgraphs[0]
        tensor, operator = random.choice(graph.tensors), random.choice(graph.operators)
        match random.choice(["inputs", "outputs", "shape", "type", "scale", "kind"]):
            case "inputs" | "outputs" as side:
                places = [int(index) for index in getattr(operator, side)]
                places[random.randrange(len(places))] = random.choice([-1, random.randrange(len(graph.tensors))])
                setattr(operator, side, places)
            case "shape" if tensor.shape is not None and len(tensor.shape):
                shape = [int(n) for n in tensor.shape]
                shape[random.randrange(len(shape))] = random.choice([-1, 0, 1, 3, 255, 100_000, 2**31 - 1])
                tensor.shape = shape
            case "type":
                tensor.type = random.choice([number for number in vars(schema.TensorType).values() if isinstance(number, int)])
            case "scale" if tensor.quantization is not None:
                tensor.quantization.scale = [random.choice([0.0, -1.0, 1e-30, 1e30, math.nan])]
            case _:
                random.choice(model.operatorCodes).builtinCode = random.randrange(210)
