"""Consistent Overhead Byte Stuffing: bytes without zeros, so that a zero can only be where a frame begins or ends.

Format: S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999. A block is a
count and the count - 1 bytes after it, none of them 0; it stands for its bytes and a 0 after them, but for the last, and those
that count 255. A full block at the end is not followed by an empty one.
"""

from __future__ import annotations

from edged.core.errors import FrameInvalid

FULL = 255
"""What a block counts at most."""


def encode(data: bytes) -> bytes:
    """``data`` without zeros, at most one byte in 254 longer, and one."""
    stuffed = bytearray()
    runs = data.split(b"\0")
    for number, run in enumerate(runs):
        at = 0
        while len(run) - at >= FULL - 1:
            stuffed.append(FULL)
            stuffed += run[at : at + FULL - 1]
            at += FULL - 1
        last = number == len(runs) - 1
        if not (last and run and at == len(run)):
            stuffed.append(len(run) - at + 1)
            stuffed += run[at:]
    return bytes(stuffed)


def decode(stuffed: bytes) -> bytes:
    """What ``encode`` made it of. Raises FrameInvalid."""
    if b"\0" in stuffed:
        raise FrameInvalid("a zero inside of a frame")
    data = bytearray()
    at = 0
    while at < len(stuffed):
        count = stuffed[at]
        block = stuffed[at + 1 : at + count]
        if len(block) != count - 1:
            raise FrameInvalid(f"a block of {count} bytes, of which {len(block) + 1} are there")
        data += block
        at += count
        if count != FULL and at < len(stuffed):
            data.append(0)
    return bytes(data)


def stuffed_bytes(size: int) -> int:
    """The most that ``size`` bytes take."""
    return size + size // (FULL - 1) + 1
