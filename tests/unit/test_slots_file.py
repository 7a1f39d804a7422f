"""The slots on the disk, and the bundles that they name."""

from __future__ import annotations

import contextlib
import shutil
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import UpdateRefused
from edged.ota.blobs import Blobs
from edged.ota.package import pack
from edged.ota.slots import FACTORY, Bad, Installed, Interrupted, Slot
from edged.ota.slots_file import SlotsFile, SlotsUnreadable, decode, encode

A, B = "a" * 64, "b" * 64
SLOT = Slot(Installed(A, 3, "v3", "id"), None, Installed(B, 4, "v4"), (Bad(B, 4, "slow"),), Interrupted(B, 4, 1), 4)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = SlotsFile(tmp_path / "slots")
    assert file.slots == {}
    file.write({"model/m": SLOT, "model/n": FACTORY})
    again = SlotsFile(tmp_path / "slots")
    assert again.readable
    assert again.slots == file.slots == {"model/m": SLOT, "model/n": FACTORY}


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:20] + b"\0" + data[21:]])
def test_a_damaged_file_costs_the_updates_and_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object) -> None:
    path = tmp_path / "slots"
    path.write_bytes(damage(encode({"model/m": SLOT})))
    file = SlotsFile(path)
    assert (file.slots, file.readable) == ({}, False)
    assert "the bundles of the configuration serve" in caplog.text
    file.write({"model/m": SLOT})
    assert SlotsFile(path).slots == {"model/m": SLOT}


@given(st.binary(max_size=200))
def test_anything_is_slots_or_unreadable(data: bytes) -> None:
    for content in (data, encode({"model/m": SLOT})[:4] + data):
        with contextlib.suppress(SlotsUnreadable):
            decode(content)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_one_flipped_bit_is_noticed(place: int, bit: int) -> None:
    data = bytearray(encode({"model/m": SLOT}))
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(SlotsUnreadable):
        decode(bytes(data))


def test_a_file_of_a_later_version_is_not_understood_in_part(tmp_path: Path) -> None:
    body = msgspec.msgpack.encode({"v": 2, "slots": {}})
    with pytest.raises(SlotsUnreadable, match="version 2"):
        decode(zlib.crc32(body).to_bytes(4, "big") + body)


def test_a_bundle_is_there_once_it_has_its_name(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "ota/blobs")
    (tmp_path / "part").write_bytes(pack({"model.toml": b"one"})[:-1])
    with pytest.raises(UpdateRefused):
        blobs.add(A, tmp_path / "part")
    assert not blobs.has(A)
    (tmp_path / "part").write_bytes(pack({"model.toml": b"one"}))
    path = blobs.add(A, tmp_path / "part")
    assert (path / "model.toml").read_bytes() == b"one"
    assert blobs.add(A, tmp_path / "not there") == path, "it is not made twice"


def test_what_no_slot_names_goes_with_what_a_power_cut_left(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    (tmp_path / "part").write_bytes(pack({"model.toml": b"one"}))
    for sha256 in (A, B):
        blobs.add(sha256, tmp_path / "part")
    for name in (f".{A}.half", f".going-{B}"):
        shutil.copytree(tmp_path / "blobs" / A, tmp_path / "blobs" / name)
    blobs.collect({A})
    assert {path.name for path in (tmp_path / "blobs").iterdir()} == {A}
