"""One board is kept through silence, restarts and other settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from broker import running, until

from edged.core.event import InferenceMade, Occurrence
from edged.daemon.mcu_keeper import Keeper
from edged.daemon.mcus import Mcus
from edged.daemon.publishing import Publishing
from edged.mcu.settings import McuSettings
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.testing.mcu_image import Key, make_image

KEY = Key()
HALF = b"\x00\x80"


@dataclass
class Scene:
    """A board and what was said of it."""

    mcu: FakeMcu
    mcus: Mcus
    settings: McuSettings
    events: list[Occurrence] = field(default_factory=list)

    @property
    def keeper(self) -> Keeper:
        """Who has it now."""
        return self.mcus.keepers["porch"]

    @property
    def inferences(self) -> int:
        """That became events."""
        return sum(isinstance(event, InferenceMade) for event in self.events)

    async def infers(self) -> None:
        """Its model says that it is half sure; returns once that was heard."""
        before = self.keeper.gateway.state.counters.results
        self.mcu.board.inferences += 1
        self.mcu.result(HALF)
        await until(lambda: self.keeper.gateway.state.counters.results > before)


@asynccontextmanager
async def kept(directory: Path, away_s: float | None = None) -> AsyncIterator[Scene]:
    board = FakeBoard(key=KEY, period_ms=1000)
    board.firmware.put(make_image(b"firmware", KEY, board="host"))
    board.model.put(make_image(b"model", KEY, board="host", model="person"))
    events: list[Occurrence] = []

    async def put(occurrence: Occurrence) -> None:
        events.append(occurrence)

    settings = McuSettings(port=str(directory / "port"))
    mcus = Mcus({"porch": settings}, put, Publishing(None), lambda: None)
    async with FakeMcu(board, directory / "port", health_s=0.05, away_s=away_s) as mcu, running(mcus.run()):
        await until(lambda: "porch" in mcus.keepers and mcus.keepers["porch"].present)
        yield Scene(mcu, mcus, settings, events)


async def configure(scene: Scene, settings: McuSettings) -> None:
    scene.mcus.replace({"porch": settings})
    await until(lambda: "porch" in scene.mcus.keepers and scene.keeper.settings == settings)


async def test_how_results_read_may_be_another_while_the_port_is_open(tmp_path: Path) -> None:
    async with kept(tmp_path) as scene:
        keeper = scene.keeper
        await configure(scene, replace(scene.settings, min_score=1.0))
        await scene.infers()
        assert scene.inferences == 0
        await configure(scene, replace(scene.settings, labels=("nobody", "person"), sample_ms=500))
        await scene.infers()
        assert scene.inferences == 1
        await until(lambda: keeper.gateway.state.sample_ms == 500)
        assert (scene.keeper, keeper.openings) == (keeper, 1)
        await configure(scene, replace(scene.settings, baud=9600))
        assert scene.keeper is not keeper


async def test_it_may_be_silent_for_long_for_who_has_the_turn(tmp_path: Path) -> None:
    async with kept(tmp_path) as scene:
        asked = scene.mcu.board.resets
        async with scene.keeper.board() as board:
            scene.mcu.faults.deaf = 6  # more often than it is asked who it is
            scene.mcu.reset()
            await until(lambda: scene.mcu.faults.deaf == 0)
            assert (await board.info()).boots == asked + 1, "the port was closed under it"
        await until(lambda: scene.keeper.info is not None and scene.keeper.info.boots == asked + 1)
        assert scene.keeper.openings == 1


@pytest.mark.parametrize("away_s", [None, 0.2])
async def test_a_restart_whose_answer_is_lost(tmp_path: Path, away_s: float | None) -> None:
    async with kept(tmp_path, away_s) as scene, scene.keeper.board() as board:
        scene.mcu.faults.drop = 1
        started = await scene.keeper.restart(board)
        assert (await started.info()).boots == scene.mcu.board.resets
        assert scene.keeper.gateway.state.counters.losses == 0


async def test_a_restart_that_is_cancelled_leaves_nothing_expected(tmp_path: Path) -> None:
    async with kept(tmp_path) as scene:
        scene.mcu.faults.hanging = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), scene.keeper.board() as board:
                await scene.keeper.restart(board)
        assert not scene.keeper.is_starting
