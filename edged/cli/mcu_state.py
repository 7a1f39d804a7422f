"""``edged mcu confirm | revert``: keep what runs on trial, or go back to what ran before."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from edged.cli.mcu_common import add_port, run_on_board, runs, say, tell_away
from edged.cli.terminal import err

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.mcu.board import Board
    from edged.mcu.info import BoardInfo, SlotImage


def register(actions: Verbs) -> None:
    """Add the actions."""
    confirm = actions.add_parser("confirm", help="have a board keep what it runs on trial")
    add_port(confirm)
    confirm.add_argument("--json", action="store_true", help="one JSON object")
    confirm.set_defaults(run=run_confirm)

    revert = actions.add_parser("revert", help="have a board go back to what it ran before, and keep that")
    add_port(revert)
    revert.add_argument("--model", action="store_true", help="the model (default: the firmware, or whichever is on trial)")
    revert.add_argument("--json", action="store_true", help="one JSON object")
    revert.set_defaults(run=run_revert)


def run_confirm(arguments: argparse.Namespace) -> int:
    """Keep it."""
    info = run_on_board(arguments, _confirm)
    if arguments.json:
        print(json.dumps(_record(info)))
    else:
        say(f"Kept: {runs(info)}.")
    return 0


def run_revert(arguments: argparse.Namespace) -> int:
    """Go back."""

    async def revert(board: Board) -> tuple[SlotImage, BoardInfo]:
        return await _revert(board, model=arguments.model)

    try:
        slot, info = run_on_board(arguments, revert)
    except KeyboardInterrupt:
        err.print("[yellow]interrupted[/]. `edged mcu info` says what runs; if that is on trial, `edged mcu confirm` keeps it.")
        raise
    kind = "model" if slot.image else "firmware"
    if arguments.json:
        print(json.dumps({"kind": kind, "hash": slot.hash.hex(), **_record(info)}))
    else:
        say(f"Back to {kind} {slot.version}. Runs: {runs(info)}.")
    return 0


def _record(info: BoardInfo) -> dict[str, Any]:
    """What a board runs, as `edged mcu info --json` names it."""
    model = {"name": info.model.name, "version": info.model.version, "state": info.model.state}
    return {"board": info.board, "version": info.version, "state": info.state, "model": model, "self_test": info.self_test}


async def _confirm(board: Board) -> BoardInfo:
    from edged.mcu.install import confirm

    await confirm(board)
    return await board.info()


async def _revert(board: Board, *, model: bool) -> tuple[SlotImage, BoardInfo]:
    from edged.core.errors import BoardRefused
    from edged.mcu.info import FIRMWARE, MODEL
    from edged.mcu.install import restart

    before = await board.info()
    model = model or (before.model.state == "trial" and before.state != "trial")
    slot = await board.revert(MODEL if model else FIRMWARE)
    info = await restart(board, before, away=tell_away)
    if not any(it.active and it.hash == slot.hash for it in await board.images()):
        raise BoardRefused("the board did not go back", hint=f"It runs {runs(info)}.")
    if "trial" in {info.state, info.model.state}:
        await board.confirm()
        info = await board.info()
    return slot, info
