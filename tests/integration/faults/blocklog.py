"""What a disk was told to write, in order, and what a power cut may leave of it.

The log is QEMU's (``blklogwrites``), in the format of Linux's dm-log-writes: a superblock, then for each request a header of one
sector and its data. A disk keeps what was written before the last flush; of what came after it, all, nothing or any part. Behind
the file system lie the worker's confirmations: so the log says which had been given at each of its points.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = 0x6A736677736872
VERSION = 1
SUPERBLOCK = struct.Struct("<QQQI")  # magic, version, entries, bytes of a sector
HEADER = struct.Struct("<QQQQ")  # first sector, sectors, flags, bytes of data that follow for a mark
FLUSH = 1

BLOCK_BYTES = 4096
"""That of the file system. Of a longer write some blocks may be lost and others not; a block is written or it is not."""


class LogUnreadable(ValueError):
    """It is no such log, is cut off, or holds requests that are not understood."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: a flush of all before it, then a write. Either may be missing."""

    offset: int
    data: bytes
    flush: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """What is written to one block, or a part of one."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Moment:
    """So many pieces were written, the first ``safe`` of them for sure, and these steps confirmed."""

    written: int
    safe: int
    confirmed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """The power goes after so many pieces, and some of them are lost. ``how``: "all" or "none" of what no flush followed is
    kept, or "some" of it."""

    how: str
    moment: Moment
    lost: frozenset[int]


def read_log(file: BinaryIO) -> list[Entry]:
    """All requests; raises LogUnreadable."""
    magic, version, count, sector_bytes = SUPERBLOCK.unpack(_exactly(file, SUPERBLOCK.size))
    if (magic, version) != (MAGIC, VERSION) or sector_bytes < HEADER.size:
        raise LogUnreadable(f"magic {magic:#x}, version {version}")
    file.seek(sector_bytes)
    return [_read_entry(file, sector_bytes) for _ in range(count)]


def _read_entry(file: BinaryIO, sector_bytes: int) -> Entry:
    first, sectors, flags, _ = HEADER.unpack(_exactly(file, sector_bytes)[: HEADER.size])
    if flags & ~FLUSH:  # loop devices send neither FUA nor, unless asked for, discards
        raise LogUnreadable(f"a request with flags {flags:#x}")
    return Entry(first * sector_bytes, _exactly(file, sectors * sector_bytes), bool(flags & FLUSH))


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise LogUnreadable("cut off")
    return data


def split(offset: int, data: bytes) -> Iterator[Piece]:
    """A write by blocks."""
    while data:
        size = min(len(data), BLOCK_BYTES - offset % BLOCK_BYTES)
        yield Piece(offset, data[:size])
        offset, data = offset + size, data[size:]


def follow(entries: Sequence[Entry], disk_bytes: int) -> tuple[list[Piece], list[Moment]]:
    """The pieces of a disk of this size, and the moments at which it may lose its power: after each write, and each confirmation,
    which is a line of text behind the disk."""
    pieces: list[Piece] = []
    moments: list[Moment] = []
    safe, said = 0, b""
    for entry in entries:
        if entry.flush:
            safe = len(pieces)
        if entry.offset >= disk_bytes:
            at = entry.offset - disk_bytes
            said = said[:at].ljust(at, b"\0") + entry.data
        else:
            pieces += split(entry.offset, entry.data)
        if entry.data:
            moments.append(Moment(len(pieces), safe, tuple(int(line) for line in said.rstrip(b"\0").split())))
    return pieces, moments


def cuts(moments: Sequence[Moment], every: int, subsets: int, seed: int) -> Iterator[Cut]:
    """How the power may go at every ``every``-th moment, and wherever a step has just been confirmed: with so many random
    ``subsets`` of what might be lost."""
    rng = random.Random(seed)
    confirmed: tuple[int, ...] = ()
    emptied = None
    for number, moment in enumerate(moments):
        loose = range(moment.safe, moment.written)
        if number % every and moment.confirmed == confirmed:
            continue
        confirmed = moment.confirmed
        yield Cut("all", moment, frozenset())
        if loose and (moment.safe, confirmed) != emptied:
            emptied = moment.safe, confirmed
            yield Cut("none", moment, frozenset(loose))
        for _ in range(subsets if len(loose) > 1 else 0):
            yield Cut("some", moment, frozenset(rng.sample(loose, rng.randrange(1, len(loose)))))


def kept(pieces: Sequence[Piece], cut: Cut) -> Iterator[Piece]:
    """What is to be written to an empty disk, in this order, to have what the cut leaves."""
    return (pieces[number] for number in range(cut.moment.written) if number not in cut.lost)
