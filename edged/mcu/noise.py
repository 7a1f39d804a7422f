"""Inputs that are drawn, to compare what two engines make of them. Pure."""

from __future__ import annotations

import random
import struct

from edged.mcu.info import TensorInfo
from edged.mcu.reading import DTYPES


def draw_noise(tensor: TensorInfo, source: random.Random) -> bytes:
    """Any bytes, but for types of which not all bytes are numbers: floats between -1 and 1, and truth values."""
    name = DTYPES[tensor.dtype].name if tensor.dtype in DTYPES else ""
    if name == "float32":
        count = tensor.size_bytes // 4
        return struct.pack(f"<{count}f", *(source.uniform(-1, 1) for _ in range(count)))
    data = source.randbytes(tensor.size_bytes)
    return bytes(byte & 1 for byte in data) if name == "bool" else data
