"""The trust process for real: started, bounded, answering."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.daemon.time_floor import keep_time
from edged.ota.bundle import MAX_BUNDLE_BYTES
from edged.ota.trust import keeper
from edged.ota.trust.floors import FloorFile
from edged.ota.trust.records import Floor, Verify
from edged.testing.repository import Repository
from edged.testing.virtual import InlineExecutor, VirtualTime


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


def children() -> set[str]:
    """Of this process, as far as they run or nobody asked how they ended."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


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


async def test_one_that_takes_too_long_is_ended_and_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tuf").mkdir()
    (tmp_path / "tuf" / "__init__.py").write_text("import signal; signal.pause()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(keeper, "DEADLINE_S", 0.5)
    before = children()
    repository = Repository()
    with pytest.raises(UpdateFailed, match="took more than") as caught:
        await keeper.verify(request(repository, repository.bundle(), tmp_path / "state", Floor()))
    assert caught.value.code == "interrupted"
    assert children() <= before
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


def test_the_time_rises_to_when_what_is_believed_expires_and_no_further(tmp_path: Path) -> None:
    floors = FloorFile(tmp_path / "floor")
    floors.raise_time("f", "c", 4_000_000_000)
    assert not (tmp_path / "floor").exists(), "nothing is believed yet"
    floors.keep("f", "c", Floor(timestamp=3, time_unix_s=10_000, expires_unix_s=20_000))
    for unix_s, kept_s in ((13_599, 10_000), (13_600, 13_600), (12_000, 13_600), (19_999, 19_999), (4_000_000_000, 20_000)):
        floors.raise_time("f", "c", unix_s)
        assert floors.read("f", "c") == Floor(timestamp=3, time_unix_s=kept_s, expires_unix_s=20_000)
    floors.keep("f", "c", Floor(timestamp=4, time_unix_s=15_000, expires_unix_s=30_000))
    assert floors.read("f", "c") == Floor(timestamp=4, time_unix_s=20_000, expires_unix_s=30_000), "what was verified meanwhile"


async def test_only_a_clock_that_is_set_says_how_late_it_is(tmp_path: Path) -> None:
    asyncio.get_running_loop().set_default_executor(InlineExecutor())
    time = VirtualTime(quality="unsynchronised")
    floors = FloorFile(tmp_path / "floor")
    floors.keep("f", "c", Floor(expires_unix_s=4_000_000_000))
    task = asyncio.create_task(keep_time(floors, "f", "c", time.clock, time.sleep))
    await time.run_for(600)
    assert floors.read("f", "c").time_unix_s == 0
    time.quality = "synchronised"
    await time.run_for(7 * 86_400)
    assert 0 <= time.clock().unix_ns // 10**9 - floors.read("f", "c").time_unix_s <= 3700
    task.cancel()


def test_a_floor_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "absent").write_bytes(b"")
    with pytest.raises(UpdateFailed):
        FloorFile(tmp_path / "absent" / "floor").keep("f", "c", Floor(timestamp=1))
