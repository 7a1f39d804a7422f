"""What runs behind ports that nobody has open: all are asked at the same time, until they answer or for some seconds.

Opening a port raises DTR, on which some boards start again, and are mute for that time: whoever does not want that does not ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edged.core.errors import BoardRefused, BoardSilent, PortLost
from edged.mcu.board import Board
from edged.mcu.info import BoardInfo, SlotImage
from edged.mcu.link import Link
from edged.mcu.transport import Patience

BRIEFLY = Patience(answer_s=0.4, attempts=1)
"""A board that runs answers within milliseconds; one that does not is asked again."""

WITHIN_S = 4.0
"""For everything on one port, whatever comes on it: longer than a start with its verification takes on most boards."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What answered: ``info`` of a firmware of edged or its loader; else ``slots`` of another MCUboot; else None, and nothing did.

    ``lost`` says why the port could not be had after all.
    """

    info: BoardInfo | None = None
    slots: tuple[SlotImage, ...] | None = None
    lost: str = ""


async def ask_all(ports: Sequence[Path], baud: int) -> dict[Path, Heard]:
    """What runs behind each; a port that cannot be had raises nothing."""
    return dict(zip(ports, await asyncio.gather(*(_ask(port, baud) for port in ports)), strict=True))


async def _ask(port: Path, baud: int) -> Heard:
    try:
        async with asyncio.timeout(WITHIN_S), Link(port, baud) as link:
            board = Board(link, BRIEFLY)
            while (heard := await _hear(board)) is None:
                pass
            return heard
    except PortLost as error:
        return Heard(lost=error.message)
    except TimeoutError:
        return Heard()


async def _hear(board: Board) -> Heard | None:
    """None if it is silent."""
    silent = False
    try:
        return Heard(info=await board.info())
    except BoardRefused:
        pass
    except BoardSilent:  # it starts just now; or it is mute on a group that it has not
        silent = True
    try:
        slots = await board.images(BRIEFLY)
    except BoardRefused:
        slots = ()
    except BoardSilent:
        return None if silent else Heard(slots=())
    if silent:  # and was there for the second question
        with suppress(BoardRefused, BoardSilent):
            return Heard(info=await board.info())
    return Heard(slots=slots)
