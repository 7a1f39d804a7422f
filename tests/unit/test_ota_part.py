"""What is on the disk of a blob that is not complete: it is believed by its digests alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import UpdateFailed
from edged.ota.part import Part
from edged.ota.target import CHUNK_BYTES
from edged.ota.upload import Blob

BLOB = Blob(b"".join(hashlib.sha256(n.to_bytes(4)).digest() for n in range(5 * CHUNK_BYTES // 32)) + b"end")
DIGESTS = tuple(hashlib.sha256(chunk).digest() for chunk in BLOB.chunks)


def part_in(directory: Path) -> Part:
    part = Part(directory / "parts", BLOB.sha256, len(BLOB.data))
    part.prepare()
    return part


@given(st.lists(st.sets(st.integers(0, len(DIGESTS) - 1)), max_size=4))
def test_what_was_stored_is_found_whatever_the_order(tmp_path_factory: pytest.TempPathFactory, writes: list[set[int]]) -> None:
    directory = tmp_path_factory.mktemp("part")
    for numbers in writes:
        part_in(directory).store([(number, BLOB.chunks[number]) for number in numbers])
    stored = set().union(*writes)
    part = part_in(directory)
    assert part.scan(DIGESTS) == stored
    assert (part.sha256() == BLOB.sha256) == (stored == set(range(len(DIGESTS))))


def test_a_chunk_that_changed_on_the_disk_is_not_there(tmp_path: Path) -> None:
    part = part_in(tmp_path)
    part.store(list(enumerate(BLOB.chunks)))
    assert part.path.read_bytes() == BLOB.data
    with part.path.open("r+b") as file:
        file.seek(2 * CHUNK_BYTES)
        file.write(bytes([BLOB.chunks[2][0] ^ 1]))
    assert part.scan(DIGESTS) == set(range(len(DIGESTS))) - {2}


@pytest.mark.parametrize("size", [0, 1, 3 * CHUNK_BYTES + 5, 7 * CHUNK_BYTES])
def test_a_file_of_another_size_becomes_one_of_the_right_size(tmp_path: Path, size: int) -> None:
    part = part_in(tmp_path)
    part.store(list(enumerate(BLOB.chunks)))
    with part.path.open("r+b") as file:
        file.truncate(size)
    part = part_in(tmp_path)
    assert part.path.stat().st_size == len(BLOB.data)
    assert part.scan(DIGESTS) == {n for n, chunk in enumerate(BLOB.chunks) if n * CHUNK_BYTES + len(chunk) <= size}


def test_where_there_is_no_room_nothing_is_begun(tmp_path: Path) -> None:
    part = Part(tmp_path, BLOB.sha256, 1 << 60)
    with pytest.raises(UpdateFailed) as failure:
        part.prepare()
    assert failure.value.code == "no_space"
    assert not part.path.exists()


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / f"{BLOB.sha256}.part").symlink_to(precious)
    with pytest.raises(UpdateFailed) as failure:
        part_in(tmp_path)
    assert failure.value.code == "interrupted"
    assert precious.read_bytes() == b"precious"


def test_nothing_is_left_of_what_was_removed(tmp_path: Path) -> None:
    part = part_in(tmp_path)
    part.keep_index(BLOB.index)
    assert part.read_index() == BLOB.index
    part.remove()
    assert list((tmp_path / "parts").iterdir()) == []
