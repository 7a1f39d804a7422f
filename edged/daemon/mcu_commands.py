"""Does what a microcontroller is told over MQTT, and says what became of it.

Rules: nothing is done for a board whose settings do not say ``commands = true``; one command at a time for each board, a few wait;
what comes too often is refused without being read, and beyond that not even answered, only counted; what would undo a trial or a
followed image is refused. What was begun is brought to its end, whether or not its asker is still connected.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edged.core.bucket import Bucket
from edged.core.errors import BoardRefused, BoardSilent, PortLost
from edged.mcu.reading import read_top
from edged.mqtt import commands
from edged.mqtt.commands import AnswerPayload, AnyCommand, Code, CommandRefused
from edged.mqtt.incoming import Message
from edged.mqtt.requests import Reply

if TYPE_CHECKING:
    from edged.daemon.mcu_keeper import Keeper
    from edged.mcu.board import Board
    from edged.mcu.info import BoardInfo, Output

log = logging.getLogger(__name__)

RATE_HZ, BURST = 1.0, 5
"""Commands for one board: a person's, and a program's that asks now and then."""

REFUSALS = 20
"""Refusals that are answered at once; then as many a second as commands are taken."""

LINES_HZ, LINES = 1 / 60, 5
"""Refusals that the log has of one board."""

MAX_WAITING = 4
"""Behind the one that is being done; each may take half a minute."""

TURN_S = 60.0
"""From a command to its turn: who asked has gone by then. What was begun has a deadline for each step, and none for all."""

Result = dict[str, Any]


@dataclass(slots=True)
class _Desk:
    """What one board was told lately."""

    bucket: Bucket = field(default_factory=lambda: Bucket(RATE_HZ, BURST))
    refusals: Bucket = field(default_factory=lambda: Bucket(RATE_HZ, REFUSALS))
    lines: Bucket = field(default_factory=lambda: Bucket(LINES_HZ, LINES))
    under_way: int = 0
    untold: int = 0
    """Refusals that the log does not have."""


class Commander:
    """``keepers`` are those that are there now. What it took it does, whoever hears of it; ``close`` ends that."""

    def __init__(self, keepers: Callable[[], Mapping[str, Keeper]]) -> None:
        self._keepers = keepers
        self._desks: dict[str, _Desk] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, mcu: str, message: Message, reply: Reply) -> None:
        """Do what a message on the topic of ``mcu`` says; see ``Handle``."""
        desk = self._desks.setdefault(mcu, _Desk())
        answer = AnswerPayload(mcu=mcu, id="", command="", code="ok", detail="", result={})
        try:
            keeper = self._admitted(mcu, desk, message)
            command = commands.decode_command(message.payload)
        except CommandRefused as error:
            answer.code, answer.detail = error.code, error.detail
            self._note(mcu, desk, answer)
            if desk.refusals.take(time.monotonic()):
                answer.id = error.id or commands.id_of(message.payload)
                reply(answer)
            return
        answer.id, answer.command = command.id, commands.name_of(command)
        desk.under_way += 1
        task = asyncio.create_task(self._work(keeper, desk, command, answer))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._done(task, desk, answer, reply))

    async def close(self) -> None:
        """Do no more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _admitted(self, mcu: str, desk: _Desk, message: Message) -> Keeper:
        """The board that is meant; raises CommandRefused for what is not to be looked at."""
        keeper = self._keepers().get(mcu)
        if keeper is None or not keeper.settings.commands:
            raise CommandRefused("not_allowed", "commands are not taken: the configuration does not say commands = true")
        if message.retained:
            raise CommandRefused("retained", "a retained command would be done again at each connection: publish it without retain")
        if not desk.bucket.take(time.monotonic()):
            raise CommandRefused("too_many", f"at most {BURST} at once, then {RATE_HZ:g} a second")
        if desk.under_way > MAX_WAITING:
            raise CommandRefused("busy", f"{desk.under_way} commands wait already")
        return keeper

    async def _work(self, keeper: Keeper, desk: _Desk, command: AnyCommand, answer: AnswerPayload) -> None:
        """Do it, and note in ``answer`` what became of it."""
        try:
            async with asyncio.timeout(TURN_S) as turn, keeper.board() as board:
                turn.reschedule(None)
                answer.result = await _do(keeper, board, command)
        except CommandRefused as error:
            answer.code, answer.detail = error.code, error.detail
        except (PortLost, BoardSilent, BoardRefused, TimeoutError) as error:
            answer.code, answer.detail = (
                _code(error),
                commands.brief(str(error)) or f"something else had it in turn for {TURN_S:.0f} s",
            )
        finally:
            desk.under_way -= 1

    def _done(self, task: asyncio.Task[None], desk: _Desk, answer: AnswerPayload, reply: Reply) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if fault := task.exception():
            log.error("mcu %s: command %s ended by a fault of edged", answer.mcu, answer.command, exc_info=fault)
            answer.code, answer.detail = "failed", f"a fault of edged: {type(fault).__name__}"
        self._note(answer.mcu, desk, answer)
        reply(answer)

    def _note(self, mcu: str, desk: _Desk, answer: AnswerPayload) -> None:
        """Count it, and log it, unless there was too much of that lately."""
        if keeper := self._keepers().get(mcu):
            keeper.gateway.commanded(refused=answer.code != "ok")
        if answer.code == "ok":
            log.info("mcu %s: command %s: ok", mcu, answer.command)
        elif desk.lines.take(time.monotonic()):
            more = f" ({desk.untold} more before were refused)" if desk.untold else ""
            desk.untold = 0
            log.warning("mcu %s: command %s: %s %s%s", mcu, answer.command or "unread", answer.code, answer.detail, more)
        else:
            desk.untold += 1


async def _do(keeper: Keeper, board: Board, command: AnyCommand) -> Result:  # noqa: PLR0911 - one for each
    if keeper.on_trial and not isinstance(command, commands.Info | commands.Sample):
        raise CommandRefused("busy", "an update is on trial on it", command.id)
    match command:
        case commands.Info():
            return _info(await board.info())
        case commands.Run():
            return await _run(keeper, board, command)
        case commands.Sample():
            period_ms = await board.sample(command.period_ms)
            keeper.gateway.samples(period_ms)
            return {"period_ms": period_ms}
        case commands.SelfTest():
            outcome = await board.self_test()
            return {"vectors": outcome.vectors, "failed": outcome.failed}
        case commands.Confirm():
            from edged.mcu.install import confirm  # loads the protocol: only where there is a board

            await confirm(board)
            return {}
        case commands.Revert():
            return await _revert(keeper, board, command)
        case commands.Reset():
            await keeper.restart(board, to_loader=command.to_loader)
            return {}


async def _run(keeper: Keeper, board: Board, command: commands.Run) -> Result:
    info = keeper.info or await board.info()
    if len(info.inputs) != 1:
        raise CommandRefused("not_supported", f"its model has {len(info.inputs)} inputs, one can be given", command.id)
    made = await board.invoke((commands.input_of(command, info.inputs[0].size_bytes),))
    result: Result = {"inference": made.number, "invoke_us": made.duration_us, "outputs": [_output(it) for it in made.outputs]}
    if made.outputs:
        first = made.outputs[0]
        if top := read_top(first.data, first.dtype, first.scale, first.zero_point, keeper.labels):
            result |= {"label": top.label, "score": round(top.score, 4)}
    return result


async def _revert(keeper: Keeper, board: Board, command: commands.Revert) -> Result:
    followed = keeper.settings.follow_firmware if command.image == "firmware" else keeper.settings.follow_model
    if followed:
        raise CommandRefused("not_allowed", f"it follows {followed}: its publisher goes back (`edged ota rollback`)", command.id)
    before = await board.revert(0 if command.image == "firmware" else 1)
    started = await keeper.restart(board)
    await started.confirm()
    return {"version": before.version, "hash": before.hash.hex()}


def _info(info: BoardInfo) -> Result:
    return {
        "mode": info.mode,
        "board": info.board,
        "engine": info.engine,
        "firmware": {"version": info.version, "hash": info.hash.hex(), "state": info.state},
        "model": {"name": info.model.name, "version": info.model.version, "hash": info.model.hash.hex(), "state": info.model.state},
        "self_test": info.self_test,
        "diagnosis": info.diagnosis,
        "arena_used_bytes": info.arena_used_bytes,
        "arena_size_bytes": info.arena_size_bytes,
        "boots": info.boots,
        "reset_reason": info.reset_reason,
    }


def _output(output: Output) -> Result:
    return {
        "dtype": output.dtype,
        "shape": list(output.shape),
        "scale": output.scale,
        "zero_point": output.zero_point,
        "data": base64.b64encode(output.data).decode(),
    }


def _code(error: Exception) -> Code:
    from edged.mcu.board import NOT_SUPPORTED

    match error:
        case BoardRefused(group=None, code=code) if code == NOT_SUPPORTED:
            return "not_supported"
        case BoardRefused():
            return "refused"
        case PortLost():
            return "away"
    return "no_answer"
