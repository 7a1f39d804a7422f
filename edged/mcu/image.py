"""Provisional."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from edged.core.errors import ImageRefused


@dataclass(frozen=True, slots=True)
class Image:
    """Provisional."""

    kind: Literal["firmware", "model"]
    board: str
    version: str
    counter: int
    key_hash: bytes
    hash: bytes
    model_name: str


def parse(data: bytes) -> Image:
    """Provisional."""
    try:
        fields = struct.unpack_from("<IIHHIIBBHII", data)
        if fields[0] != 0x96F3B83D:
            raise ValueError
        start = fields[2] + fields[4]
        tlvs: dict[int, bytes] = {}
        for at in (start, start + fields[3]):
            total, position = struct.unpack_from("<HH", data, at)[1] + at, at + 4
            while position < total:
                kind, length = struct.unpack_from("<HH", data, position)
                tlvs[kind] = data[position + 4 : position + 4 + length]
                position += 4 + length
        name = tlvs.get(0xA1)
        version = ".".join(map(str, fields[6:9]))
        counter = int.from_bytes(tlvs[0x50], "little")
        kind2: Literal["firmware", "model"] = "firmware" if name is None else "model"
        return Image(kind2, tlvs[0xA0].decode(), version, counter, tlvs[1], tlvs[0x10], (name or b"").decode())
    except (ValueError, KeyError, struct.error):
        raise ImageRefused("this is no signed image", fault="malformed") from None
