"""Asking a publisher for chunks, and its answers, where a broker has no usable retained messages.

A question is a msgpack map: which blob is said by its topic, which chunks by a bitmap. An answer is the chunk's number, four
bytes, big end first, and the chunk; without a chunk: the publisher has none of that number. ``INDEX`` numbers the index.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec

from edged.ota.target import MAX_CHUNKS

INDEX = 0xFFFFFFFF
NUMBER_BYTES = 4


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``missing``: bit n of byte n // 8, lowest first, is chunk n."""

    v: Literal[1] = 1
    index: bool = False
    missing: Annotated[bytes, msgspec.Meta(max_length=MAX_CHUNKS // 8)] = b""

    def numbers(self) -> list[int]:
        """What is asked for, in the order to answer in."""
        chunks = [8 * at + bit for at, byte in enumerate(self.missing) for bit in range(8) if byte >> bit & 1]
        return [INDEX, *chunks] if self.index else chunks


_encode = msgspec.msgpack.Encoder().encode
decode_question = msgspec.msgpack.Decoder(Question).decode
"""Raises msgspec.MsgspecError or UnicodeDecodeError."""


def encode_question(numbers: Collection[int]) -> bytes:
    """Ask for chunks, and ``INDEX``."""
    chunks = [number for number in numbers if number != INDEX]
    bitmap = bytearray(max(chunks, default=-1) // 8 + 1)
    for number in chunks:
        bitmap[number // 8] |= 1 << number % 8
    return _encode(Question(index=INDEX in numbers, missing=bytes(bitmap)))


def encode_answer(number: int, data: bytes | None) -> bytes:
    """A chunk, or that there is none."""
    return number.to_bytes(NUMBER_BYTES) + (data or b"")


def decode_answer(payload: bytes) -> tuple[int, bytes | None] | None:
    """Number and chunk; ``None`` for what is no answer."""
    if len(payload) < NUMBER_BYTES:
        return None
    return int.from_bytes(payload[:NUMBER_BYTES]), payload[NUMBER_BYTES:] or None
