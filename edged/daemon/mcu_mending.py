"""One board that runs something else than it is to: given what is confirmed, or taken back from what was given up.

Who calls this has the board in hand. All of it raises EdgedError, upon which the board runs what it ran, or goes back to that by
itself.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from edged.core.errors import BoardRefused, EdgedError, UpdateRefused
from edged.daemon.mcu_images import FIRMWARE, read
from edged.daemon.mcu_trial import BoardTrial, until_tested
from edged.daemon.mcu_trials import AWAY

if TYPE_CHECKING:
    from edged.daemon.mcu_keeper import Keeper
    from edged.mcu.board import Board
    from edged.mcu.duties import Duties
    from edged.mcu.info import ImageNumber

log = logging.getLogger(__name__)


async def mend(keeper: Keeper, path: str, wanted: Path, duties: Duties, back_s: float) -> None:
    """Have it run and keep the image of ``wanted``; without a window, which that had elsewhere."""
    package = await read(wanted, path)
    trial = BoardTrial(keeper, package, back_s)
    if trial.runs and await trial.is_confirmed():
        return
    log.info("mcu %s: is to run %s %s", keeper.name, path, package.version)
    await trial.bring()
    try:
        await trial.begin()
        await trial.confirm()
    except EdgedError as error:
        with contextlib.suppress(*AWAY, BoardRefused):  # which then goes back by itself
            await trial.call_off()
        if isinstance(error, AWAY) and duties.went_away(keeper.name, wanted):
            raise UpdateRefused("crashed", f"{error.message}, and so it was before", hint=error.hint) from error
        raise
    duties.stayed(keeper.name, wanted)
    log.info("mcu %s: runs %s %s", keeper.name, path, package.version)


async def leave(keeper: Keeper, path: str, given_up: Collection[bytes]) -> None:
    """Have it go back from these images to what it had before anything was installed: only its other slot knows that."""
    number: ImageNumber = 0 if path.startswith(FIRMWARE) else 1
    if not given_up:
        return
    async with keeper.board() as board:
        if not await _runs_any(board, number, given_up):
            return
        log.info("mcu %s: goes back from %s", keeper.name, path)
        await board.revert(number)
        started = await keeper.restart(board)
        await until_tested(keeper)
        if await _runs_any(started, number, given_up):
            raise BoardRefused(f"microcontroller {keeper.name} does not go back to what it ran before")
        await started.confirm()


async def _runs_any(board: Board, number: int, hashes: Collection[bytes]) -> bool:
    return any(slot.image == number and slot.active and slot.hash in hashes for slot in await board.images())
