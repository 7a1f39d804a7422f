"""From the bytes of an output to numbers and the class that scores highest. Pure.

A quantised tensor stores q for the real number scale * (q - zero_point), as LiteRT's 8-bit quantization specification has it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

FORMATS = {0: "f", 2: "i", 3: "B", 7: "h", 9: "b"}
"""TFLite's TensorType (schema.fbs) of what can be read here: float32, int32, uint8, int16, int8."""

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


def read_top(data: bytes, dtype: int, scale: float, zero_point: int, labels: Sequence[str]) -> Top | None:
    """``None`` where the tensor is of a type that is not read here, empty, torn, or holds what is no number."""
    code = FORMATS.get(dtype)
    if code is None:
        return None
    size = struct.calcsize(f"<{code}")
    count, rest = divmod(len(data), size)
    if not count or rest:
        return None
    stored = struct.unpack(f"<{count}{code}", data)
    quantised = dtype in QUANTISED and scale != 0
    values = [scale * (q - zero_point) for q in stored] if quantised else [float(value) for value in stored]
    if not all(map(math.isfinite, values)):
        return None
    index = max(range(count), key=values.__getitem__)
    label = labels[index] if index < len(labels) else str(index)
    return Top(index, label, values[index], tuple(values[:MAX_OUTPUTS]), count)
