"""Frames of a serial line: bytes between two zeros, with a version, a number in sequence and a checksum.

Format: 00, COBS of (version u8, type u8, sequence number u16, body, CRC-32 of all before it), 00; numbers little endian.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from edged.core.errors import FrameInvalid
from edged.mcu import cobs

VERSION = 1
LATEST_VERSION = 3
"""Versions will not go beyond this: below every byte of text, and below those that begin a line of a packet."""

MAX_FRAME_BYTES = 1024
"""Before COBS. A longer one would keep an answer waiting for more than a tenth of a second at 115,200 baud."""

MAX_STUFFED_BYTES = cobs.stuffed_bytes(MAX_FRAME_BYTES)
DELIMITER = b"\0"

_HEADER = struct.Struct("<BBH")
_CHECKSUM = struct.Struct("<I")
MAX_BODY_BYTES = MAX_FRAME_BYTES - _HEADER.size - _CHECKSUM.size


@dataclass(frozen=True, slots=True)
class Frame:
    """A report whose checksum is right and whose body is not yet read. ``sequence`` counts since the board started, and wraps."""

    type: int
    sequence: int
    body: bytes


def pack(frame: Frame) -> bytes:
    """As it goes over the line, delimiters included. Raises FrameInvalid if it is too long."""
    if len(frame.body) > MAX_BODY_BYTES:
        raise FrameInvalid(f"a report of {len(frame.body)} bytes; a frame holds {MAX_BODY_BYTES}")
    checked = _HEADER.pack(VERSION, frame.type, frame.sequence) + frame.body
    return DELIMITER + cobs.encode(checked + _CHECKSUM.pack(zlib.crc32(checked))) + DELIMITER


def unpack(stuffed: bytes) -> Frame:
    """What was between two delimiters. Raises FrameInvalid."""
    data = cobs.decode(stuffed)
    if not _HEADER.size + _CHECKSUM.size <= len(data) <= MAX_FRAME_BYTES:
        raise FrameInvalid(f"a frame of {len(data)} bytes", fault="malformed")
    checked, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    if _CHECKSUM.pack(zlib.crc32(checked)) != checksum:
        raise FrameInvalid("the checksum of a frame does not match", fault="corrupt")
    version, type_, sequence = _HEADER.unpack_from(checked)
    if version != VERSION:
        raise FrameInvalid(f"a frame of version {version}", hint="This edged is older than the firmware.", fault="unknown version")
    return Frame(type_, sequence, checked[_HEADER.size :])


def may_begin(stuffed: bytes | bytearray) -> bool:
    """Whether these bytes after a delimiter can be the first of a frame.

    A version is neither 0 nor more than ``LATEST_VERSION``: the first block counts 2 at least, and the version comes next. So two
    bytes tell a frame from text and from packets, where a delimiter was lost or made up by noise.
    """
    return stuffed[0] >= 2 and (len(stuffed) == 1 or 1 <= stuffed[1] <= LATEST_VERSION)
