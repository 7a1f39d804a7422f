"""Provisional: enough of an image's format to go on until the strict reader is there."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Literal

from edged.core.errors import ImageRefused

_HEADER = struct.Struct("<IIHHIIBBHII")
_TLV = struct.Struct("<HH")


@dataclass(frozen=True, slots=True)
class Image:
    """Provisional."""

    kind: Literal["firmware", "model"]
    version: str
    board: str
    model: str
    counter: int
    key_hash: bytes
    hash: bytes


def parse(data: bytes) -> Image:
    """Provisional."""
    try:
        magic, _, header, protected, size, _, major, minor, revision, _, _ = _HEADER.unpack_from(data)
        covered = header + size + protected
        signed, others = _tlvs(data[header + size : covered], 0x6908), _tlvs(data[covered:], 0x6907)
        digest = hashlib.sha256(data[:covered]).digest()
        if magic != 0x96F3B83D or others[0x10] != digest:
            raise ImageRefused("the image is damaged", fault="malformed")
        return Image(
            "model" if 0xA1 in signed else "firmware",
            f"{major}.{minor}.{revision}",
            signed[0xA0].decode(),
            signed.get(0xA1, b"").decode(),
            int.from_bytes(signed[0x50], "little"),
            others[0x01],
            digest,
        )
    except (struct.error, KeyError, UnicodeDecodeError, IndexError) as error:
        raise ImageRefused("this is no signed image", fault="malformed") from error


def _tlvs(data: bytes, expected: int) -> dict[int, bytes]:
    kind, total = _TLV.unpack_from(data)
    if kind != expected or total != len(data):
        raise ImageRefused("this is no signed image", fault="malformed")
    found, at = {}, _TLV.size
    while at < total:
        kind, length = _TLV.unpack_from(data, at)
        found[kind] = data[at + _TLV.size : at + _TLV.size + length]
        at += _TLV.size + length
    return found
