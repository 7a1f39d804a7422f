"""TFLite's types of tensors, and from the bytes of one to numbers and the class that scores highest. Pure.

A quantised tensor stores q for the real number scale * (q - zero_point), as LiteRT's 8-bit quantization specification has it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dtype:
    """``name`` is numpy's as well; ``code`` is that of ``struct``."""

    name: str
    code: str


DTYPES = {
    0: Dtype("float32", "f"),
    2: Dtype("int32", "i"),
    3: Dtype("uint8", "B"),
    4: Dtype("int64", "q"),
    6: Dtype("bool", "?"),
    7: Dtype("int16", "h"),
    9: Dtype("int8", "b"),
}
"""By TensorType (schema.fbs), as the wire has it: those that the inputs and outputs of models have."""

QUANTISED = frozenset({3, 7, 9})

MAX_OUTPUTS = 64
"""Numbers of an output that an event carries: the rest of a longer one is of no use to most, and a card has to bear it."""


@dataclass(frozen=True, slots=True)
class Top:
    """The class that scores highest; ``outputs`` are the first real numbers of ``total``."""

    index: int
    label: str
    score: float
    outputs: tuple[float, ...]
    total: int


def dtype_name(number: int) -> str:
    """For a person, of any number."""
    return DTYPES[number].name if number in DTYPES else f"type {number}"


def read_numbers(data: bytes, dtype: int) -> list[int | float]:
    """The numbers as they are stored, as far as they are whole; the bytes of a type that is not known here."""
    code = DTYPES[dtype].code if dtype in DTYPES else "B"
    count = len(data) // struct.calcsize(f"<{code}")
    return list(struct.unpack_from(f"<{count}{code}", data))


def read_top(data: bytes, dtype: int, scale: float, zero_point: int, labels: Sequence[str]) -> Top | None:
    """``None`` where the tensor is of a type that is not read here, empty, torn, or holds what is no number."""
    if dtype not in DTYPES or not data or len(data) % struct.calcsize(f"<{DTYPES[dtype].code}"):
        return None
    stored = read_numbers(data, dtype)
    quantised = dtype in QUANTISED and scale != 0
    values = [scale * (q - zero_point) for q in stored] if quantised else [float(value) for value in stored]
    if not all(map(math.isfinite, values)):
        return None
    index = max(range(len(values)), key=values.__getitem__)
    label = labels[index] if index < len(labels) else str(index)
    return Top(index, label, values[index], tuple(values[:MAX_OUTPUTS]), len(values))
