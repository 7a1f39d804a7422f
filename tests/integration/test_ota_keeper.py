"""The trust process for real: started, bounded, answering."""

import os
import time
from pathlib import Path

import pytest

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota.bundle import MAX_BUNDLE_BYTES
from edged.ota.trust import keeper
from edged.ota.trust.floors import FloorFile
from edged.ota.trust.records import Floor, Verify
from edged.testing.repository import Repository


def request(repository: Repository, bundle: bytes, directory: Path, floor: Floor) -> Verify:
    return Verify(
        fleet=repository.fleet,
        channel=repository.channel,
        root=repository.roots[0],
        bundle=bundle,
        floor=floor,
        directory=str(directory),
        clock_unix_s=int(time.time()),
        synchronised=True,
    )


async def test_believes_refuses_and_remembers(tmp_path: Path) -> None:
    repository = Repository()
    repository.add(b"model")
    floors = FloorFile(tmp_path / "floor")
    old = repository.publish()
    new = repository.publish()
    verified = await keeper.verify(request(repository, new, tmp_path / "tuf", floors.read("test", "stable")))
    assert [signed.path for signed in verified.targets] == ["model/ssd"]
    floors.keep("test", "stable", verified.floor)
    for bundle, code in ((old, "rolled_back"), (b"garbage", "malformed"), (bytes(MAX_BUNDLE_BYTES + 1), "oversized")):
        with pytest.raises(UpdateRefused) as caught:
            await keeper.verify(request(repository, bundle, tmp_path / "tuf", floors.read("test", "stable")))
        assert caught.value.code == code


async def test_what_it_cannot_write_is_not_the_bundles_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    repository = Repository()
    with pytest.raises(UpdateFailed) as caught:
        await keeper.verify(request(repository, repository.bundle(), tmp_path / "file" / "tuf", Floor()))
    assert caught.value.code == "interrupted"


async def test_one_that_cannot_live_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tuf").mkdir()
    (tmp_path / "tuf" / "__init__.py").write_text("raise SystemExit('no memory')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    repository = Repository()
    with pytest.raises(UpdateFailed, match=r"exit status 1.*no memory"):
        await keeper.verify(request(repository, repository.bundle(), tmp_path / "state", Floor()))
    assert not (tmp_path / "state").exists()


async def test_keeps_credentials_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tuf").mkdir()
    (tmp_path / "tuf" / "__init__.py").write_text("import os; raise SystemExit(' '.join(os.environ))")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/secret")
    repository = Repository()
    with pytest.raises(UpdateFailed) as caught:
        await keeper.verify(request(repository, repository.bundle(), tmp_path / "state", Floor()))
    assert "PYTHONPATH" in caught.value.message
    assert "CREDENTIALS_DIRECTORY" not in caught.value.message


async def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tuf").mkdir()
    (tmp_path / "tuf" / "__init__.py").write_text("bytearray(256 << 20)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    repository = Repository()
    with pytest.raises(UpdateFailed, match="MemoryError"):
        await keeper.verify(request(repository, repository.bundle(), tmp_path / "state", Floor()))


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"\xc1"])
def test_a_damaged_floor_is_said_and_begun_again(damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    floors = FloorFile(tmp_path / "floor")
    assert floors.read("f", "c") == Floor()
    floors.keep("f", "c", Floor(timestamp=3, time_unix_s=7))
    assert floors.read("f", "c") == Floor(timestamp=3, time_unix_s=7)
    assert floors.read("f", "other") == Floor(time_unix_s=7), "the time is common to all channels"
    (tmp_path / "floor").write_bytes(damage)
    assert floors.read("f", "c") == Floor()
    assert "damaged" in caplog.text


def test_a_floor_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "absent").write_bytes(b"")
    with pytest.raises(UpdateFailed):
        FloorFile(tmp_path / "absent" / "floor").keep("f", "c", Floor(timestamp=1))
