"""Golden vectors: what a model is to answer to pictures that anyone can make again, in the file ``golden.msgpack`` of its bundle.

Rules: whatever the bytes are, they are read as this or refused; no pickle, no path, no code; no numpy, because who only hashes a
bundle reads this module too. How answers are judged stands in ``edged.infer.answers``, why so in DESIGN.md.
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Literal

import msgspec

from edged.core.errors import ModelRejected
from edged.infer.text import quoted

FILE_NAME = "golden.msgpack"
"""Beside ``model.toml``; a bundle without it has no golden vectors."""

MAX_BYTES = 4 << 20
"""Room for eight pictures of 416 x 416 pixels; it is downloaded with each update."""

MAX_VECTORS = 16
MAX_TENSORS = 64
MAX_DIMENSIONS = 8

ITEM_BYTES = {"uint8": 1, "int8": 1, "bool": 1, "int16": 2, "float16": 2, "int32": 4, "float32": 4, "int64": 8, "float64": 8}
"""Number formats that answers may have; stored little-endian."""

POSITION_BYTES = 4
"""Of one position in an answer, little-endian."""

Pattern = Literal["noise-1", "blocks-1", "gradient-1", "flat-1"]
"""Pictures by their recipe, and its version: another recipe is another name, so that an old file means what it meant."""

BLOCK_PX = 16


class Generated(msgspec.Struct, frozen=True, tag="generated", forbid_unknown_fields=True):
    """A picture by its recipe (``pixels``)."""

    pattern: Pattern
    seed: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = 0


class Stored(msgspec.Struct, frozen=True, tag="stored", forbid_unknown_fields=True):
    """A picture as its pixels, of the size that the model takes: rows, columns, channels in the model's order, a byte each."""

    pixels: bytes


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the ``tensor`` of the model's graph is to hold: the ``values`` at ``positions``, or all of them where that is empty.

    ``tolerance`` bounds how far they may be off on average: in steps where they are whole numbers, else as they are.
    """

    tensor: Annotated[int, msgspec.Meta(ge=0, lt=1 << 20)]
    shape: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)], ...], msgspec.Meta(max_length=MAX_DIMENSIONS)]
    dtype: str
    values: bytes
    tolerance: float
    positions: bytes = b""


class Vector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A picture, and the answers to it."""

    picture: Generated | Stored
    answers: Annotated[tuple[Answer, ...], msgspec.Meta(min_length=1, max_length=MAX_TENSORS)]


class Golden(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file. ``made_by`` names the runtime that gave the answers, for people."""

    v: Literal[1] = 1
    made_by: Annotated[str, msgspec.Meta(max_length=128)]
    vectors: Annotated[tuple[Vector, ...], msgspec.Meta(min_length=1, max_length=MAX_VECTORS)]


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Golden).decode


def parse_golden(data: bytes, where: str) -> Golden:
    """The golden vectors in ``data``; raises ModelRejected, naming ``where``, for anything else."""
    if len(data) > MAX_BYTES:
        raise ModelRejected(f"{where}: {len(data)} bytes; at most {MAX_BYTES} are read", fault="oversized")
    try:
        golden = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = quoted(str(error))
        raise ModelRejected(f"{where}: these are no golden vectors of version 1: {reason}", fault="corrupt") from error
    for vector in golden.vectors:
        for answer in vector.answers:
            if fault := _fault(answer):
                raise ModelRejected(f"{where}: an answer of tensor {answer.tensor} {fault}", fault="corrupt")
    return golden


def _fault(answer: Answer) -> str:
    """What is wrong with an answer by itself; empty if nothing is."""
    size = ITEM_BYTES.get(answer.dtype)
    if size is None:
        return f"is of the type {quoted(answer.dtype)!r}, which no model's answer has"
    if not 0 <= answer.tolerance < math.inf:
        return "has no tolerance"
    held, rest = divmod(len(answer.values), size)
    there = math.prod(answer.shape)
    places, odd = divmod(len(answer.positions), POSITION_BYTES)
    if rest or odd or not held or held != (places if answer.positions else there):
        return "has not as many values as its shape or its positions say"
    steps = range(0, len(answer.positions), POSITION_BYTES)
    if any(int.from_bytes(answer.positions[at : at + POSITION_BYTES], "little") >= there for at in steps):
        return "has a position outside of it"
    return ""


def pixels(picture: Generated | Stored, height: int, width: int, channels: int) -> bytes:
    """The picture's ``height * width * channels`` bytes, row by row; raises ModelRejected for a stored one of another size.

    Recipes are integer arithmetic and SHAKE256 (FIPS 202), which Python's standard library has: no version of numpy, whose
    generators may change what they draw, can make another picture of the same seed.
    """
    if isinstance(picture, Stored):
        if len(picture.pixels) != height * width * channels:
            raise ModelRejected(
                f"a golden picture has {len(picture.pixels)} bytes, the model takes {height} x {width} x {channels}", fault="unfit"
            )
        return picture.pixels
    match picture.pattern:
        case "noise-1":
            return _drawn(picture, height * width * channels)
        case "flat-1":
            return _drawn(picture, channels) * (height * width)
        case "gradient-1":
            return _gradient(height, width, channels)
        case "blocks-1":
            across, down = -(-width // BLOCK_PX), -(-height // BLOCK_PX)
            colours = _drawn(picture, across * down * channels)
            rows = (colours[row * across * channels : (row + 1) * across * channels] for row in range(down))
            wide = [_widened(row, channels)[: width * channels] for row in rows]
            return b"".join(wide[y // BLOCK_PX] for y in range(height))


def _drawn(picture: Generated, count: int) -> bytes:
    return hashlib.shake_256(f"edged {picture.pattern} {picture.seed}".encode()).digest(count)


def _widened(row: bytes, channels: int) -> bytes:
    return b"".join(row[at : at + channels] * BLOCK_PX for at in range(0, len(row), channels))


def _gradient(height: int, width: int, channels: int) -> bytes:
    """Brighter to the right, downwards, or towards the upper left, by channel."""
    right = bytes(x * 255 // max(1, width - 1) for x in range(width))
    picture = bytearray(height * width * channels)
    for y in range(height):
        down = y * 255 // max(1, height - 1)
        tints = (right, bytes([down]) * width, bytes(255 - (value + down) // 2 for value in right))
        start, end = y * width * channels, (y + 1) * width * channels
        for channel in range(channels):
            picture[start + channel : end : channels] = tints[channel % 3]
    return bytes(picture)


def describe(picture: Generated | Stored) -> str:
    """A few words for a message."""
    return "a stored picture" if isinstance(picture, Stored) else f"{picture.pattern} of seed {picture.seed}"
