"""Whatever becomes of a command, its asker hears, and who ends the commander waits for what it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from edged.core.errors import BoardSilent
from edged.daemon import mcu_commands
from edged.daemon.mcu_commands import BURST, MAX_WAITING, REFUSALS, Commander
from edged.daemon.mcu_keeper import Keeper
from edged.mcu.gateway import Gateway, Policy
from edged.mcu.settings import McuSettings
from edged.mqtt.commands import AnswerPayload
from edged.mqtt.incoming import Message


@dataclass
class FakeKeeper:
    """Its board does nothing but what ``info`` raises, once ``go`` is set."""

    error: Exception
    name: str = "porch"
    settings: McuSettings = field(default_factory=lambda: McuSettings(port="/dev/x", commands=True))
    gateway: Gateway = field(default_factory=lambda: Gateway("porch", Policy(), 0))
    on_trial: bool = False
    go: asyncio.Event = field(default_factory=asyncio.Event)
    left: int = 0

    @asynccontextmanager
    async def board(self) -> AsyncIterator[FakeKeeper]:
        try:
            yield self
        finally:
            await asyncio.sleep(0)
            self.left += 1

    async def info(self) -> Any:
        await self.go.wait()
        raise self.error


def commander_of(keeper: FakeKeeper) -> Commander:
    return Commander(lambda: {"porch": cast(Keeper, keeper)})


async def test_a_fault_of_ours_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    keeper, answers = FakeKeeper(ValueError("labels.txt: No such file")), asyncio.Queue[AnswerPayload]()
    keeper.go.set()
    commander_of(keeper).take("porch", Message("t", b'{"command": "info", "id": "7"}'), answers.put_nowait)
    async with asyncio.timeout(60):
        answer = await answers.get()
    assert (answer.id, answer.command, answer.code, answer.detail) == ("7", "info", "failed", "a fault of edged: ValueError")
    assert "ValueError: labels.txt: No such file" in caplog.text
    assert keeper.gateway.state.counters.commands_refused == 1


async def test_what_was_begun_is_not_cut_by_the_deadline_of_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcu_commands, "TURN_S", 0.0)
    keeper, answers = FakeKeeper(BoardSilent("it says nothing")), asyncio.Queue[AnswerPayload]()
    commander_of(keeper).take("porch", Message("t", b'{"command": "info"}'), answers.put_nowait)
    for _ in range(10):
        await asyncio.sleep(0)
    assert answers.empty(), "its deadline is over, and it is under way"
    keeper.go.set()
    async with asyncio.timeout(60):
        assert (await answers.get()).detail == "it says nothing"


async def test_only_what_takes_no_time_is_done_during_an_update() -> None:
    keeper, answers = FakeKeeper(BoardSilent("it says nothing"), on_trial=True), asyncio.Queue[AnswerPayload]()
    keeper.go.set()
    commander, codes = commander_of(keeper), []
    for command in (b'"run", "values": [1]', b'"selftest"', b'"reset"', b'"info"'):
        commander.take("porch", Message("t", b'{"command": ' + command + b"}"), answers.put_nowait)
        async with asyncio.timeout(60):
            codes.append((await answers.get()).code)
    assert codes == ["busy", "busy", "busy", "no_answer"]


async def test_what_is_under_way_is_bounded_and_waited_for() -> None:
    keeper, answers = FakeKeeper(ValueError()), list[AnswerPayload]()
    commander = commander_of(keeper)
    for _ in range(1000):
        commander.take("porch", Message("t", b'{"command": "info"}'), answers.append)
    await asyncio.sleep(0)
    assert len([task for task in asyncio.all_tasks() if task is not asyncio.current_task()]) == min(BURST, MAX_WAITING + 1)
    assert REFUSALS <= len(answers) <= REFUSALS + 5
    assert keeper.gateway.state.counters.commands == 1000 - BURST, "the others are counted when they are done"
    await commander.close()
    assert keeper.left == BURST
