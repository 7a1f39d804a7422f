"""Does what a microcontroller is told over MQTT, and says what became of it.

Rules: nothing is done for a board whose settings do not say ``commands = true``; one command at a time for each board, a few wait;
what comes too often is refused before anything of it is read; what would undo a trial or a followed image is refused.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from edged.core.bucket import Bucket
from edged.core.errors import BoardRefused, BoardSilent, PortLost
from edged.mcu.reading import read_top
from edged.mqtt import commands
from edged.mqtt.commands import AnswerPayload, AnyCommand, Code, CommandRefused
from edged.mqtt.incoming import Message

if TYPE_CHECKING:
    from edged.daemon.mcu_keeper import Keeper
    from edged.mcu.board import Board
    from edged.mcu.info import BoardInfo, Output

log = logging.getLogger(__name__)

RATE_HZ, BURST = 1.0, 5
"""Commands for one board: a person's, and a program's that asks now and then."""

MAX_WAITING = 4
"""Behind the one that is being done; each may take half a minute."""

WITHIN_S = 60.0
"""From a command to its answer, its wait included: who asked has gone by then."""

NOT_SUPPORTED = 8
"""SMP's ENOTSUP."""

Result = dict[str, Any]


class Commander:
    """``keepers`` are those that are there now."""

    def __init__(self, keepers: Callable[[], Mapping[str, Keeper]]) -> None:
        self._keepers = keepers
        self._buckets: dict[str, Bucket] = {}
        self._waiting: Counter[str] = Counter()

    async def handle(self, mcu: str, message: Message) -> AnswerPayload:
        """What became of a message on the topic of ``mcu``."""
        keeper = self._keepers().get(mcu)
        answer = AnswerPayload(mcu=mcu, id="", command="", code="ok", detail="", result={})
        try:
            keeper = self._admitted(mcu, message)
            command = commands.decode_command(message.payload)
            answer.id, answer.command = command.id, commands.name_of(command)
            answer.result = await self._within(keeper, command)
        except CommandRefused as error:
            answer.code, answer.detail = error.code, error.detail
            answer.id = error.id or commands.id_of(message.payload)
        except (PortLost, BoardSilent, BoardRefused, TimeoutError) as error:
            answer.code, answer.detail = _code(error), str(error) or f"not done within {WITHIN_S:.0f} s"
        if keeper:
            keeper.gateway.commanded(refused=answer.code != "ok")
        level = logging.INFO if answer.code == "ok" else logging.WARNING
        log.log(level, "mcu %s: command %s: %s %s", mcu, answer.command or "unread", answer.code, answer.detail)
        return answer

    def _admitted(self, mcu: str, message: Message) -> Keeper:
        """The board that is meant; raises CommandRefused for what is not to be looked at."""
        keeper = self._keepers().get(mcu)
        if keeper is None or not keeper.settings.commands:
            raise CommandRefused("not_allowed", "commands are not taken: the configuration does not say commands = true")
        if message.retained:
            raise CommandRefused("retained", "a retained command would be done again at each connection: publish it without retain")
        if not self._buckets.setdefault(mcu, Bucket(RATE_HZ, BURST)).take(time.monotonic()):
            raise CommandRefused("too_many", f"at most {BURST} at once, then {RATE_HZ:g} a second")
        if self._waiting[mcu] > MAX_WAITING:
            raise CommandRefused("busy", f"{self._waiting[mcu]} commands wait already")
        return keeper

    async def _within(self, keeper: Keeper, command: AnyCommand) -> Result:
        self._waiting[keeper.name] += 1
        try:
            async with asyncio.timeout(WITHIN_S), keeper.board() as board:
                return await _do(keeper, board, command)
        finally:
            self._waiting[keeper.name] -= 1


async def _do(keeper: Keeper, board: Board, command: AnyCommand) -> Result:  # noqa: PLR0911 - one for each
    if keeper.on_trial and isinstance(command, commands.Confirm | commands.Revert | commands.Reset):
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
            await board.confirm()
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
    match error:
        case BoardRefused(group=None, code=code) if code == NOT_SUPPORTED:
            return "not_supported"
        case BoardRefused():
            return "refused"
        case PortLost():
            return "away"
    return "no_answer"
