"""The small parts around the updater of a daemon: what is told, what is dropped into a folder, when downloads have time."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_performance import stats

from edged.config.problems import Problem
from edged.config.schema import Settings
from edged.core.errors import DaemonAbsent, EdgedError, UpdateFailed, UpdateRefused
from edged.core.event import UpdateChanged
from edged.daemon.agreement import check
from edged.daemon.bench import DeviceBench, followed
from edged.daemon.drop import LOOK_S, DropFolder
from edged.daemon.gate import LATE_MS, Gate
from edged.daemon.publishing import Publishing
from edged.daemon.reload import SettingsRefused
from edged.daemon.teller import Teller
from edged.infer.settings import ModelSettings
from edged.ota.status import UpdateStatus
from edged.ota.target import Limits
from edged.sources.settings import SyntheticSettings
from edged.testing.virtual import InlineExecutor, VirtualTime
from edged.vision import ipc
from edged.vision.settings import CameraSettings

QUEUED = UpdateStatus("model", "m", 1, "1", "a" * 64, "queued", "ok", "", 0, 9, 1)


@pytest.fixture
async def time() -> VirtualTime:
    asyncio.get_running_loop().set_default_executor(InlineExecutor())
    return VirtualTime()


@contextlib.asynccontextmanager
async def running(work: Any) -> Any:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_each_step_is_an_event_and_chunks_are_a_state_alone(time: VirtualTime) -> None:
    told: list[UpdateChanged] = []

    async def put(event: UpdateChanged) -> None:
        told.append(event)

    publishing = Publishing(None)
    teller = Teller(publishing, put)
    async with running(teller.run()):
        teller.report(QUEUED)
        teller.report(replace(QUEUED, at_ns=5))
        for chunks in range(9):
            teller.report(replace(QUEUED, state="downloading", chunks=chunks, at_ns=6 + chunks))
        teller.report(replace(QUEUED, state="failed", code="offline", chunks=8, at_ns=99))
        teller.report(replace(QUEUED, state="failed", code="offline", detail="in other words", chunks=8, at_ns=99))
        teller.report(replace(QUEUED, id="n", state="confirmed"))
        await time.settle()
    assert [(event.target_id, event.state, event.code) for event in told] == [
        ("m", "queued", "ok"),
        ("m", "downloading", "ok"),
        ("m", "failed", "offline"),
    ], "and that n is confirmed was told before this start"


def test_how_far_all_are_is_one_state() -> None:
    seen: list[tuple[UpdateStatus, ...]] = []

    class Noting(Publishing):
        def updates(self, updates: tuple[UpdateStatus, ...]) -> None:
            seen.append(updates)

    async def put(event: UpdateChanged) -> None: ...

    teller = Teller(Noting(None), put)
    teller.report(QUEUED)
    teller.report(replace(QUEUED, id="n"))
    teller.keep({("model", "n")})
    assert [len(updates) for updates in seen] == [1, 2, 1]


async def test_a_gate_is_closed_while_frames_are_late() -> None:
    gate = Gate()
    await gate.wait()
    gate.note(ipc.Stats((replace(stats(1), age_ms=LATE_MS + 1), stats(1))))
    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.note(ipc.Stats((stats(2),)))
    await waiting


class Folder:
    """A drop folder, and what was installed from it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.installed: list[str] = []
        self.trouble: EdgedError | None = None

    async def install(self, name: str, path: Path) -> None:
        self.installed.append(f"{name}: {(path / 'model.toml').read_text()}")
        if self.trouble:
            raise self.trouble

    def put(self, name: str, content: str) -> None:
        (self.directory / name).mkdir(exist_ok=True)
        (self.directory / name / "model.toml").write_text(content)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


async def test_a_bundle_is_taken_once_it_does_not_change_any_more(folder: Folder, time: VirtualTime) -> None:
    async with running(DropFolder(folder.directory, folder.install, time.sleep).run()):
        for length in range(1, 9):
            folder.put("ssd", "x" * length)
            await time.run_for(LOOK_S - 1)  # so that each look finds another
            assert folder.installed == []
        await time.run_for(60)
        assert folder.installed == ["ssd: xxxxxxxx"]
        folder.put("ssd", "another")
        await time.run_for(60)
        assert folder.installed[1:] == ["ssd: another"]


@pytest.mark.parametrize(
    ("trouble", "times"), [(UpdateRefused("slow", "no"), 1), (UpdateFailed("no_space", "full"), 11), (DaemonAbsent("x"), 1)]
)
async def test_what_may_pass_is_tried_again(folder: Folder, time: VirtualTime, trouble: EdgedError, times: int) -> None:
    folder.put("ssd", "x")
    folder.trouble = trouble
    async with running(DropFolder(folder.directory, folder.install, time.sleep).run()):
        await time.run_for(57)
    assert len(folder.installed) == times


async def test_other_things_in_the_folder_are_nothing(folder: Folder, time: VirtualTime) -> None:
    (folder.directory / "readme.txt").write_text("x")
    folder.put("System Volume Information", "x")
    async with running(DropFolder(folder.directory, folder.install, time.sleep).run()):
        await time.run_for(60)
    assert folder.installed == []


async def test_a_folder_that_comes_and_goes(folder: Folder, time: VirtualTime, tmp_path: Path) -> None:
    folder.directory = tmp_path / "stick"
    async with running(DropFolder(folder.directory, folder.install, time.sleep).run()):
        await time.run_for(60)
        folder.directory.mkdir()
        folder.put("ssd", "x")
        await time.run_for(60)
    assert len(folder.installed) == 1


SETTINGS = Settings(
    models={
        "a": ModelSettings(bundle="factory-a", follow="ssd"),
        "b": ModelSettings(bundle="factory-b", follow="ssd", threads=2),
        "c": ModelSettings(bundle="factory-c", follow="faces"),
        "d": ModelSettings(bundle="factory-d"),
    },
    cameras={name: CameraSettings(model=name, synthetic=SyntheticSettings()) for name in ("a", "b", "d")},
)


class Exchange:
    """What the vision process says to other settings."""

    def __init__(self) -> None:
        self.error: EdgedError | None = None
        self.surely = 0

    async def exchange(self) -> None:
        if self.error:
            raise self.error

    async def exchange_surely(self) -> None:
        self.surely += 1

    async def shadow(self, order: ipc.Shadow) -> ipc.Agreement:
        raise NotImplementedError


def make_bench(exchange: Exchange) -> DeviceBench:
    return DeviceBench(None, exchange, lambda: SETTINGS, lambda name: "xnnpack", 10.0)


def test_things_are_followed_by_models_that_a_camera_uses() -> None:
    assert followed(SETTINGS) == {"model/ssd": ("a", "b")}


async def test_every_model_that_follows_gets_the_bundle() -> None:
    bench = make_bench(Exchange())
    await bench.swap("model/ssd", Path("/blobs/1"))
    applied = bench.applied(SETTINGS.models)
    assert {name: model.bundle for name, model in applied.items()} == {
        "a": "/blobs/1",
        "b": "/blobs/1",
        "c": "factory-c",
        "d": "factory-d",
    }
    assert (applied["b"].threads, applied["b"].follow) == (2, None)
    await bench.go_back("model/ssd", None)
    assert bench.applied(SETTINGS.models)["a"].bundle == "factory-a"


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        (SettingsRefused("died", died=True), UpdateRefused, "crashed"),
        (SettingsRefused("no", (Problem(("cameras", "a"), "no such label"),)), UpdateRefused, "model_refused"),
        (SettingsRefused("no", (Problem(("models", "a"), "1 MB"),), no_room=True), UpdateFailed, "does_not_fit_beside"),
        (SettingsRefused("no", (Problem((), "the attempt before still hangs"),)), UpdateFailed, "interrupted"),
        (SettingsRefused("edged is stopping"), UpdateFailed, "interrupted"),
    ],
)
async def test_a_refused_exchange_leaves_what_served(refusal: SettingsRefused, kind: type[EdgedError], code: str) -> None:
    exchange = Exchange()
    bench = make_bench(exchange)
    await bench.swap("model/ssd", Path("/blobs/1"))
    exchange.error = refusal
    with pytest.raises(kind) as caught:
        await bench.swap("model/ssd", Path("/blobs/2"))
    assert caught.value.code == code
    assert bench.applied(SETTINGS.models)["a"].bundle == "/blobs/1"
    assert exchange.surely == 0


async def test_only_deaths_that_nobody_wanted_are_held_against_a_trial() -> None:
    bench = make_bench(Exchange())
    await bench.swap("model/ssd", Path("/blobs/1"))
    bench.vision_ended("in order")
    assert (bench.trial("model/ssd").crashes, bench.trial("model/ssd").hangs) == (0, 0)
    bench.vision_ended("crashed")
    bench.vision_ended("hung")
    assert (bench.trial("model/ssd").crashes, bench.trial("model/ssd").hangs) == (1, 1)


AGREED = ipc.Agreement("a", 1, "d", 300, 0, 95, 3, 2, 0, 0.01, 5.0, 1.1, "done", "")


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"matched": 20, "only_serving": 75}, UpdateRefused, "sees_less"),
        ({"matched": 20, "only_candidate": 75}, UpdateRefused, "sees_more"),
        ({"not_finite": 1}, UpdateRefused, "output_not_finite"),
        ({"latency_ratio": 3.0}, UpdateRefused, "slow"),
        ({"ended": "failed", "message": "it hung"}, UpdateRefused, "crashed"),
        ({"ended": "stopped"}, UpdateFailed, "interrupted"),
    ],
)
def test_what_a_shadow_shows_keeps_a_candidate_from_its_trial(changes: dict[str, Any], kind: type[EdgedError], code: str) -> None:
    with pytest.raises(kind) as caught:
        check(replace(AGREED, **changes), Limits(), 0.5)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"matched": 3, "only_serving": 10},
        {"ended": "no_room", "frames": 0, "matched": 0, "only_serving": 0, "only_candidate": 0},
        {"latency_ratio": None, "score_drift": None},
    ],
)
def test_what_a_shadow_does_not_show_is_left_to_the_trial(changes: dict[str, Any]) -> None:
    check(replace(AGREED, **changes), Limits(), 0.5)
    check(replace(AGREED, latency_ratio=9.0), Limits(p95_ms=50), 0.5)
    check(replace(AGREED, matched=0, only_serving=99), Limits(), 0.0)
