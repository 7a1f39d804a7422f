"""Trials on several boards at once: all of them, or none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from broker import running, until

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.core.event import Occurrence
from edged.daemon.mcu_bench import McuBench
from edged.daemon.mcu_trial import SILENT_S, BoardTrial
from edged.daemon.mcus import Mcus
from edged.daemon.publishing import Publishing
from edged.mcu.bundle import read_package
from edged.mcu.settings import McuSettings
from edged.ota.judgement import Verdict
from edged.ota.target import Chunks, SignedTarget, Target
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.testing.mcu_image import Key, make_image

PATH = "mcu-model/person"
KEY = Key()
SIGNED = SignedTarget(
    target=Target(kind="mcu-model", id="person", sequence=1, version="2", chunks=Chunks(count=1, index_sha256="0" * 64)),
    length=1,
    sha256="0" * 64,
)


@dataclass
class Scene:
    """Two boards that follow the same id, and a bundle for them."""

    boards: tuple[FakeMcu, FakeMcu]
    mcus: Mcus
    bench: McuBench
    bundle: Path

    @property
    def models(self) -> list[str]:
        """What they run, and whether they keep it."""
        slots = [mcu.board.model for mcu in self.boards]
        return [f"{image.version} {it.state}" for it in slots if (image := it.image(it.running))]


def model(version: int) -> bytes:
    return make_image(bytes([version]) * 100, KEY, board="host", version=(version, 0, 0), model="person")


def board() -> FakeBoard:
    made = FakeBoard(key=KEY)
    made.firmware.put(make_image(b"firmware", KEY, board="host"))
    made.model.put(model(1))
    return made


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with set_up(tmp_path) as made:
        yield made


@asynccontextmanager
async def set_up(directory: Path) -> AsyncIterator[Scene]:
    bundle = directory / "bundle"
    bundle.mkdir()
    (bundle / "image.bin").write_bytes(model(2))
    happened: list[Occurrence] = []

    async def put(occurrence: Occurrence) -> None:
        happened.append(occurrence)

    async with AsyncExitStack() as stack:
        names = ("porch", "yard")
        boards = [await stack.enter_async_context(FakeMcu(board(), directory / name, health_s=0.05)) for name in names]
        settings = {name: McuSettings(port=str(directory / name), follow_model="person") for name in names}
        mcus = Mcus(settings, put, Publishing(None), lambda: None)
        bench = McuBench(mcus, 0.1, lambda path: None)
        await stack.enter_async_context(running(mcus.run()))
        await stack.enter_async_context(running(bench.run()))
        await until(lambda: len(mcus.keepers) == 2 and all(keeper.present for keeper in mcus.keepers.values()))
        yield Scene((boards[0], boards[1]), mcus, bench, bundle)


async def verdict_on(bench: McuBench) -> Verdict:
    async with asyncio.timeout(30):
        while not (verdict := bench.trial(PATH)):
            await asyncio.sleep(0.01)
    assert isinstance(verdict, Verdict)
    return verdict


async def test_all_boards_confirm(scene: Scene) -> None:
    await scene.bench.probe(SIGNED, scene.bundle)
    await scene.bench.swap(PATH, scene.bundle)
    assert scene.models == ["2.0.0 trial"] * 2
    assert (await verdict_on(scene.bench)).code == "ok"
    await scene.bench.confirm(PATH)
    assert scene.models == ["2.0.0 confirmed"] * 2


async def test_one_that_fails_its_self_test_takes_the_other_back(scene: Scene) -> None:
    scene.boards[1].board.self_test = "failed"
    with pytest.raises(UpdateRefused) as caught:
        await scene.bench.swap(PATH, scene.bundle)
    assert caught.value.code == "golden_differs"
    assert scene.models == ["1.0.0 confirmed"] * 2


async def test_one_that_goes_back_by_itself_takes_the_other_back(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    scene.boards[0].reset()
    assert (await verdict_on(scene.bench)).code == "crashed"
    await scene.bench.go_back(PATH, None)
    assert scene.models == ["1.0.0 confirmed"] * 2


async def test_one_that_loses_its_power_before_it_confirms(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    assert (await verdict_on(scene.bench)).code == "ok"
    scene.boards[1].board.reset()  # unheard
    with pytest.raises(UpdateFailed):
        await scene.bench.confirm(PATH)
    assert scene.models[1] == "1.0.0 confirmed"


async def test_one_that_is_pulled_out_withdraws_the_trial(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    scene.boards[0].vanish()
    with pytest.raises(UpdateFailed) as caught:
        await verdict_on(scene.bench)
    assert caught.value.code == "mcu_away"


async def test_none_is_there(scene: Scene) -> None:
    for mcu in scene.boards:
        mcu.vanish()
    await until(lambda: not any(keeper.present for keeper in scene.mcus.keepers.values()))
    for step in (scene.bench.probe(SIGNED, scene.bundle), scene.bench.swap(PATH, scene.bundle)):
        with pytest.raises(UpdateFailed) as caught:
            await step
        assert caught.value.code == "mcu_away"


async def test_going_back_to_what_nobody_installed_is_the_other_slot(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    await scene.bench.confirm(PATH)
    await scene.bench.go_back(PATH, None)
    assert scene.models == ["1.0.0 confirmed"] * 2


@pytest.mark.parametrize(("after_s", "code"), [(0.0, None), (SILENT_S + 1, "hung")])
async def test_a_board_that_says_nothing_more(scene: Scene, after_s: float, code: Any) -> None:
    keeper = scene.mcus.keepers["porch"]
    trial = BoardTrial(keeper, read_package(scene.bundle, "model"))
    await trial.bring()
    await trial.begin()
    scene.boards[0].faults.hanging = True
    verdict = trial.verdict(time.monotonic() + after_s, 1e9)
    assert (verdict and verdict.code) == code
