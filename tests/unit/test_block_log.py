"""What a power cut may leave of a disk, from the log of what it was told to write. ``scripts/faults powercut`` mounts it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

import pytest
from faults.blocklog import BLOCK_BYTES, HEADER, MAGIC, SUPERBLOCK, Cut, Entry, LogUnreadable, cuts, follow, kept, read_log, split
from hypothesis import given
from hypothesis import strategies as st

SECTOR_BYTES = 512
DISK_BYTES = 64 * BLOCK_BYTES
FLUSH = Entry(0, b"", flush=True)

flushes = st.just(FLUSH)
writes = st.builds(
    lambda sector, count, byte: Entry(sector * SECTOR_BYTES, bytes([byte]) * count * SECTOR_BYTES, flush=False),
    st.integers(0, 400),
    st.integers(1, 20),
    st.integers(1, 255),
)
requests = st.lists(flushes | writes, max_size=30)


def log_of(entries: Sequence[Entry], flags: int = 0) -> bytes:
    """As QEMU writes it."""
    parts = [SUPERBLOCK.pack(MAGIC, 1, len(entries), SECTOR_BYTES).ljust(SECTOR_BYTES, b"\0")]
    for entry in entries:
        header = HEADER.pack(entry.offset // SECTOR_BYTES, len(entry.data) // SECTOR_BYTES, flags | entry.flush, 0)
        parts += [header.ljust(SECTOR_BYTES, b"\0"), entry.data]
    return b"".join(parts)


def block(number: int, byte: bytes = b"x", count: int = 1) -> Entry:
    return Entry(number * BLOCK_BYTES, byte * BLOCK_BYTES * count, flush=False)


def said(*steps: int) -> Entry:
    """What a worker has confirmed so far: each line goes to where the last one ended, in the same sector."""
    return Entry(DISK_BYTES, b"".join(b"%d\n" % step for step in steps).ljust(SECTOR_BYTES, b"\0"), flush=False)


def left(entries: Sequence[Entry], every: int = 1, subsets: int = 3) -> list[tuple[Cut, dict[int, bytes]]]:
    """Each cut, and the first byte of each block that is there then."""
    pieces, moments = follow(entries, DISK_BYTES)
    found = []
    for cut in cuts(moments, every, subsets, seed=1):
        disk: dict[int, bytes] = {}
        disk.update((piece.offset // BLOCK_BYTES, piece.data[:1]) for piece in kept(pieces, cut))
        found.append((cut, disk))
    return found


@given(requests)
def test_a_log_is_read_as_it_was_written(entries: list[Entry]) -> None:
    assert read_log(io.BytesIO(log_of(entries) + bytes(SECTOR_BYTES))) == entries


@given(st.binary(max_size=2000))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(LogUnreadable):
        read_log(io.BytesIO(data))


def test_a_log_that_is_cut_off_is_refused() -> None:
    with pytest.raises(LogUnreadable):
        read_log(io.BytesIO(log_of([block(1), FLUSH])[:-SECTOR_BYTES]))


@pytest.mark.parametrize("flag", [2, 4, 8])
def test_requests_that_are_not_understood_are_refused(flag: int) -> None:
    with pytest.raises(LogUnreadable, match=f"flags 0x{flag:x}"):
        read_log(io.BytesIO(log_of([block(1)], flag)))


@given(writes)
def test_a_write_is_split_at_the_borders_of_blocks(entry: Entry) -> None:
    pieces = list(split(entry.offset, entry.data))
    assert b"".join(piece.data for piece in pieces) == entry.data
    assert pieces[0].offset == entry.offset
    for piece, following in itertools.pairwise(pieces):
        assert following.offset == piece.offset + len(piece.data)
        assert following.offset % BLOCK_BYTES == 0
    assert all(len(piece.data) <= BLOCK_BYTES for piece in pieces)


@given(requests)
def test_what_was_flushed_is_never_lost_and_what_was_not_may_be(entries: list[Entry]) -> None:
    pieces, moments = follow([entry for entry in entries if entry.offset < DISK_BYTES], DISK_BYTES)
    for cut in cuts(moments, 1, 3, seed=1):
        loose = set(range(cut.moment.safe, cut.moment.written))
        assert cut.lost <= loose
        assert {"all": not cut.lost, "none": cut.lost == loose, "some": 0 < len(cut.lost) < len(loose)}[cut.how]
        assert len([*kept(pieces, cut)]) == cut.moment.written - len(cut.lost)


def test_a_step_that_is_confirmed_before_its_flush_is_lost_in_some_state() -> None:
    lost = [disk for cut, disk in left([block(1), FLUSH, block(2), said(1), FLUSH]) if cut.moment.confirmed == (1,)]
    assert {1: b"x"} in lost
    flushed = [disk for cut, disk in left([block(1), FLUSH, block(2), FLUSH, said(1)]) if cut.moment.confirmed == (1,)]
    assert flushed == [{1: b"x", 2: b"x"}]


def test_what_is_under_way_is_there_or_not_or_in_part() -> None:
    states = [disk for _, disk in left([block(1), FLUSH, block(2, count=2)], subsets=20)]
    assert {1: b"x"} in states
    assert {1: b"x", 2: b"x", 3: b"x"} in states
    assert {1: b"x", 3: b"x"} in states  # the later one alone


def test_the_last_write_to_a_block_counts() -> None:
    states = [disk for _, disk in left([block(1, b"a"), FLUSH, block(1, b"b")])]
    assert states[-2:] == [{1: b"b"}, {1: b"a"}]


def test_confirmations_come_in_their_place_and_are_no_part_of_the_disk() -> None:
    entries = [said(1), block(1), said(1, 2), FLUSH, block(2), said(1, 2, 3)]
    assert [moment.confirmed for moment in follow(entries, DISK_BYTES)[1]] == [(1,), (1,), (1, 2), (1, 2), (1, 2, 3)]
    assert [piece.offset // BLOCK_BYTES for piece in follow(entries, DISK_BYTES)[0]] == [1, 2]


def test_every_nth_write_is_looked_at_and_every_confirmation() -> None:
    entries = [*(block(number) for number in range(10)), said(1), *(block(number) for number in range(10)), said(1, 2)]
    written = [cut.moment.written for cut, _ in left(entries, every=8) if cut.how == "all"]
    assert written == [1, 9, 10, 16, 20]
