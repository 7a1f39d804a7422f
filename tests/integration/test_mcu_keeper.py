"""One board is kept through silence, restarts and other settings."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

import pytest
from broker import running, until

import edged.daemon
from edged.core.event import InferenceMade, Occurrence
from edged.daemon import mcu_commands, mcu_keeper
from edged.daemon.mcu_commands import Commander
from edged.daemon.mcu_keeper import Keeper
from edged.daemon.mcus import Mcus
from edged.daemon.publishing import Publishing
from edged.mcu.messages import GROUP, Command
from edged.mcu.settings import McuSettings
from edged.mcu.transport import REPEATED
from edged.mqtt.commands import AnswerPayload
from edged.mqtt.incoming import Message
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import HEADER, FakeBoard
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


class NoTimeToSample(FakeBoard):
    """While it is ``busy``, what tells it how often to sample goes unheard, and is counted."""

    busy = False
    unheard = 0

    def handle(self, message: bytes) -> bytes | None:
        *_, group, _, command = HEADER.unpack_from(message)
        if self.busy and (group, command) == (GROUP, Command.SAMPLE):
            self.unheard += 1
            return None
        return super().handle(message)


@asynccontextmanager
async def kept(directory: Path, away_s: float | None = None, kind: type[FakeBoard] = FakeBoard) -> AsyncIterator[Scene]:
    board = kind(key=KEY, period_ms=1000)
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


async def test_it_is_told_again_what_it_did_not_hear_while_another_had_the_turn(tmp_path: Path) -> None:
    async with kept(tmp_path, kind=NoTimeToSample) as scene:
        board = scene.mcu.board
        assert isinstance(board, NoTimeToSample)
        async with scene.keeper.board():
            board.busy = True
            await configure(scene, replace(scene.settings, sample_ms=500))
            await until(lambda: board.unheard > REPEATED.attempts)  # it was given up, and begun again
            board.busy = False
        await until(lambda: scene.keeper.gateway.state.sample_ms == board.period_ms == 500)
        assert (scene.keeper.openings, scene.keeper.gateway.state.counters.losses) == (1, 0)


async def test_a_command_gives_up_its_turn_and_the_next_one_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = asyncio.Queue[AnswerPayload]()
    command = Message("t", b'{"command": "sample", "period_ms": 250}')
    async with kept(tmp_path) as scene, asyncio.timeout(30):
        await configure(scene, replace(scene.settings, commands=True))
        commander = Commander(lambda: scene.mcus.keepers)
        async with scene.keeper.board():
            with monkeypatch.context() as patch:
                patch.setattr(mcu_commands, "TURN_S", 0.05)
                commander.take("porch", command, answers.put_nowait)
                answer = await answers.get()
            assert (answer.code, answer.detail.split(" for ")[0]) == ("no_answer", "something else had it in turn")
            commander.take("porch", command, answers.put_nowait)
        assert (await answers.get()).code == "ok"
        assert (scene.mcu.board.period_ms, scene.keeper.openings) == (250, 1)
        await commander.close()


async def test_a_restart_waits_for_who_has_not_said_yet_how_often_it_started(tmp_path: Path) -> None:
    async with kept(tmp_path) as scene:
        scene.mcu.vanish()
        await until(lambda: not scene.keeper.present)
        scene.mcu.faults.deaf = 2  # to who asks first who it is, and to who asks next
        scene.mcu.plug_in()
        await until(lambda: scene.keeper.openings == 2)
        async with scene.keeper.board() as board:
            assert not scene.keeper.present
            await scene.keeper.restart(board)
            assert scene.keeper.info and scene.keeper.info.boots == scene.mcu.board.resets == 1


class Loading(MetaPathFinder):
    """Lets who imports ``name`` wait until ``go`` is set."""

    def __init__(self, name: str) -> None:
        self.begun = False
        self.went: bool | None = None
        self.go = threading.Event()
        self._name = name

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Finds nothing, which others then do."""
        if fullname == self._name:
            self.begun = True
            self.went = self.go.wait(10)


async def test_the_first_board_of_a_reload_is_loaded_while_all_else_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def put(occurrence: Occurrence) -> None:
        """Nobody looks."""

    settled: list[None] = []
    mcus = Mcus({}, put, Publishing(None), lambda: settled.append(None))
    loading = Loading(mcu_keeper.__name__)
    monkeypatch.setattr(edged.daemon, "mcu_keeper", mcu_keeper)  # to be as before in the end
    monkeypatch.delitem(sys.modules, mcu_keeper.__name__)
    monkeypatch.setattr(sys, "meta_path", [loading, *sys.meta_path])
    async with FakeMcu(path=tmp_path / "port"), running(mcus.run()):
        await until(lambda: bool(settled))
        mcus.replace({"porch": McuSettings(port=str(tmp_path / "port"))})
        await until(lambda: loading.begun)
        loading.go.set()
        await until(lambda: "porch" in mcus.keepers and mcus.keepers["porch"].present)
        assert loading.went, "nothing else went on meanwhile"


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
