"""The file and what was pushed over it: taken on together, one change after the other, and given up without harm."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edged.config.schema import Settings
from edged.core.errors import ConfigInvalid, EdgedError, ModelRejected, UpdateRefused, VisionFailed
from edged.daemon.config_bench import ConfigBench
from edged.daemon.layers import Layers, identify
from edged.daemon.publishing import Publishing
from edged.daemon.reload import SettingsRefused
from edged.daemon.updates import Parts, Updates
from edged.ota.inventory import Inventory
from edged.ota.judgement import Seen, judge
from edged.ota.package import pack
from edged.ota.slots import Confirm, Install, Installed
from edged.ota.target import Chunks, Limits, SignedTarget, Target
from edged.vision import ipc

PATH = "config/site"
FILE = """
[device]
state_directory = "{state}"
[models.m]
bundle = "m"
[cameras.door]
model = "m"
synthetic = {{}}
[mqtt]
host = "broker"
[ota]
root = "root.json"
follow_config = "site"
"""
THREADS = "[models.m]\nthreads = {}\n"
SIGNED = SignedTarget(
    target=Target(kind="config", id="site", sequence=1, version="1", chunks=Chunks(count=1, index_sha256="")), length=1, sha256=""
)


class Daemon:
    """Serves what it is told to, unless ``error`` says otherwise."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "edged.toml"
        self.config.write_text(FILE.format(state=directory))
        self.error: EdgedError | None = None
        self.taken: list[Settings] = []
        self.surely = 0
        self.asked, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.online = {"door"}
        self.layers = Layers(self.config, self.take_on, self.take_on_surely)

    async def take_on(self, settings: Settings) -> tuple[str, ...]:
        assert not self.asked.is_set(), "one after the other"
        self.asked.set()
        await self.gate.wait()
        self.asked.clear()
        if self.error:
            raise self.error
        self.taken.append(settings)
        return ()

    async def take_on_surely(self, settings: Settings) -> None:
        self.surely += 1
        if self.error:
            raise self.error
        self.taken.append(settings)

    def delivering(self) -> frozenset[str]:
        return frozenset(self.online)

    async def exchange(self) -> None: ...

    async def exchange_surely(self) -> None: ...

    async def shadow(self, order: ipc.Shadow) -> ipc.Agreement:
        raise NotImplementedError

    async def put(self, occurrence: object) -> None: ...

    async def try_out(self, name: str, model: object, stated: object) -> str:
        return ""

    @property
    def threads(self) -> int | None:
        return self.taken[-1].models["m"].threads

    def start(self) -> Updates:
        self.layers = Layers(self.config, self.take_on, self.take_on_surely)
        return Updates(self.layers.start({}), Parts(self, self, self.delivering, Publishing(None), self, self.layers))


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(tmp_path)


def package(directory: Path, text: str) -> Path:
    made = directory / str(len(list(directory.iterdir())))
    made.mkdir()
    (made / "config.toml").write_text(text)
    return made


def bench(daemon: Daemon) -> ConfigBench:
    daemon.taken.append(daemon.layers.start({}))
    return ConfigBench(daemon.layers, lambda: daemon.taken[-1], daemon.delivering, 10, asyncio.Event())


async def test_a_push_is_laid_over_the_file_that_serves_and_a_reload_over_the_new_one(daemon: Daemon, tmp_path: Path) -> None:
    daemon.layers.start({})
    daemon.config.write_text("somebody is at it")
    await daemon.layers.lay(PATH, package(tmp_path, THREADS.format(2)))
    assert daemon.threads == 2
    with pytest.raises(ConfigInvalid):
        await daemon.layers.reload()
    daemon.config.write_text(FILE.format(state=tmp_path) + "[tracking]\nleave_after_s = 9\n")
    await daemon.layers.reload()
    assert (daemon.threads, daemon.taken[-1].tracking.leave_after_s) == (2, 9)
    await daemon.layers.lay(PATH, package(tmp_path, THREADS.format(3)))
    assert (daemon.threads, daemon.taken[-1].tracking.leave_after_s) == (3, 9)
    await daemon.layers.take_off(PATH, None)
    assert (daemon.threads, daemon.surely) == (None, 1)


async def test_what_is_refused_leaves_what_was_there(daemon: Daemon, tmp_path: Path) -> None:
    daemon.layers.start({})
    await daemon.layers.lay(PATH, package(tmp_path, THREADS.format(2)))
    daemon.error = SettingsRefused("no")
    with pytest.raises(SettingsRefused):
        await daemon.layers.lay(PATH, package(tmp_path, THREADS.format(3)))
    daemon.config.write_text(FILE.format(state=tmp_path) + "[tracking]\nleave_after_s = 9\n")
    with pytest.raises(SettingsRefused):
        await daemon.layers.reload()
    daemon.error = None
    await daemon.layers.take_off(PATH, package(tmp_path, "[tracking]\nappear_after_s = 3\n"))
    assert daemon.taken[-1].tracking.leave_after_s != 9, "what was refused of the file is not taken on by the way"
    await daemon.layers.reload()
    assert (daemon.threads, daemon.taken[-1].tracking.leave_after_s) == (None, 9)


async def test_what_cannot_be_taken_off_stays_laid_over_the_file(daemon: Daemon, tmp_path: Path) -> None:
    daemon.layers.start({})
    pushed = package(tmp_path, THREADS.format(2))
    await daemon.layers.lay(PATH, pushed)
    daemon.error = VisionFailed("no process can be started")
    with pytest.raises(VisionFailed):
        await daemon.layers.take_off(PATH, package(tmp_path, THREADS.format(3)))
    daemon.error = None
    assert daemon.layers.packages == {PATH: pushed}
    await daemon.layers.reload()
    assert daemon.threads == 2


async def test_a_reload_that_begins_before_a_push_does_not_undo_it(daemon: Daemon, tmp_path: Path) -> None:
    daemon.layers.start({})
    daemon.gate.clear()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    reload = asyncio.create_task(daemon.layers.reload())
    await daemon.asked.wait()
    push = asyncio.create_task(daemon.layers.lay(PATH, package(tmp_path, THREADS.format(2))))
    for _ in range(5):  # the push gets as far as it can meanwhile: what it asks the only thread for is done before this is
        await asyncio.to_thread(int)
    daemon.gate.set()
    await asyncio.gather(reload, push)
    assert daemon.threads == 2


async def test_what_does_not_fit_any_more_is_not_gone_back_to(daemon: Daemon, tmp_path: Path) -> None:
    daemon.layers.start({})
    await daemon.layers.take_off(PATH, package(tmp_path, "[models.gone]\nthreads = 2\n"))
    assert (daemon.threads, daemon.layers.packages) == (None, {PATH: None})


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("[mqtt]\n", "config_refused", "config/site:1: mqtt"),
        ("[models.m]\nthreads = 0\n[tracking]\nx = 1\n", "config_refused", "; "),
    ],
)
async def test_a_probe_names_every_problem(daemon: Daemon, tmp_path: Path, text: str, code: str, says: str) -> None:
    with pytest.raises(UpdateRefused) as caught:
        await bench(daemon).probe(SIGNED, package(tmp_path, text))
    assert caught.value.code == code
    assert says in caught.value.message
    good = package(tmp_path, THREADS.format(2))
    assert await bench(daemon).probe(SIGNED, good) == identify(good)
    (good / "more").touch()
    with pytest.raises(UpdateRefused) as caught:
        await bench(daemon).probe(SIGNED, good)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (SettingsRefused("died", died=True), "crashed"),
        (SettingsRefused("no", ()), "interrupted"),
    ],
)
async def test_a_refused_push_is_told_by_whose_fault_it_is(
    daemon: Daemon, tmp_path: Path, refusal: SettingsRefused, code: str
) -> None:
    daemon.error = refusal
    with pytest.raises(EdgedError) as caught:
        await bench(daemon).swap(PATH, package(tmp_path, THREADS.format(2)))
    assert getattr(caught.value, "code", "") == code


async def test_cameras_that_delivered_and_new_ones_have_to_deliver(daemon: Daemon, tmp_path: Path) -> None:
    daemon.config.write_text(FILE.format(state=tmp_path) + '[cameras.lost]\nmodel = "m"\nsynthetic = {}\n')
    tried = bench(daemon)
    await tried.swap(PATH, package(tmp_path, '[cameras.new]\nmodel = "m"\nsynthetic = {}\n'))
    assert tried.trial(PATH).silent == ("new",), "one that was lost before may be"
    daemon.online.add("new")
    assert tried.trial(PATH).silent == ()
    daemon.online.remove("door")
    assert tried.trial(PATH).silent == ("door",)
    tried.vision_ended("in order")
    assert tried.trial(PATH).crashes == 0
    tried.vision_ended("crashed")
    assert tried.trial(PATH).crashes == 1


def test_silence_is_judged_after_the_window_and_without_a_frame() -> None:
    assert judge(Seen(span_s=4, silent=("door",)), (), Limits(), 5) is None
    verdict = judge(Seen(span_s=6, silent=("door",)), (), Limits(), 5)
    assert verdict
    assert (verdict.code, "door" in verdict.detail) == ("config_refused", True)
    verdict = judge(Seen(span_s=6, frames=20), (), Limits(), 5)
    assert verdict
    assert verdict.code == "ok"


def install(inventory: Inventory, number: int, text: str, *, confirm: bool = True) -> Path:
    sha256 = str(number) * 64
    part = inventory.parts / f"{sha256}.part"
    part.write_bytes(pack({"config.toml": text.encode()}))
    bundle = inventory.add(sha256, part)
    inventory.note(PATH, Install(Installed(sha256, number, str(number), identify(bundle))))
    if confirm:
        inventory.note(PATH, Confirm())
    return bundle


def test_a_start_lays_over_what_was_confirmed(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "ota").mkdir()
    inventory = Inventory(tmp_path / "ota")
    install(inventory, 1, THREADS.format(1))
    second = install(inventory, 2, THREADS.format(2))
    install(inventory, 3, THREADS.format(3), confirm=False)
    assert daemon.start().settings.models["m"].threads == 2, "a trial is over"
    (second / "config.toml").write_text(THREADS.format(4))
    assert daemon.start().settings.models["m"].threads == 1, "damaged on the disk"


def test_a_start_gives_up_what_does_not_fit_the_file_any_more(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "ota").mkdir()
    inventory = Inventory(tmp_path / "ota")
    install(inventory, 1, THREADS.format(1))
    install(inventory, 2, "[cameras.door]\nlive_max_hz = 1\n[models.m]\nthreads = 2\n[models.n]\nthreads = 1\n")
    updates = daemon.start()
    assert updates.settings.models["m"].threads == 1
    assert updates.inventory
    assert updates.inventory.slot(PATH).why_bad("2" * 64, 2) == "config_refused"
    daemon.config.write_text(FILE.format(state=tmp_path).replace("models.m", "models.n").replace('"m"', '"n"'))
    assert daemon.start().settings.models["n"].threads is None


async def test_a_push_that_the_vision_process_refuses_at_a_later_start_does_not_end_the_daemon(
    daemon: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "ota").mkdir()
    install(Inventory(tmp_path / "ota"), 1, THREADS.format(1))
    updates = daemon.start()
    assert await updates.fall_back(ModelRejected("no such label"))
    assert (daemon.threads, daemon.surely) == (None, 1)
    assert not await updates.fall_back(ModelRejected("no such label")), "the file itself is what is wrong"


async def test_an_end_during_the_trial_of_a_push_waits_for_going_back(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "ota").mkdir()
    package = install(Inventory(tmp_path / "ota"), 1, THREADS.format(1))
    updates = daemon.start()
    assert updates.inventory
    assert updates.config_bench
    updates.inventory.note(PATH, Install(Installed("2" * 64, 2, "2")))
    await updates.config_bench.swap(PATH, package)
    falling = asyncio.create_task(updates.fall_back(VisionFailed("no camera is left")))
    await asyncio.sleep(0)
    assert (falling.done(), updates.config_bench.trial(PATH).crashes) == (False, 1)
    await updates.config_bench.go_back(PATH, package)
    assert await falling
