"""What runs behind ports that nobody has open: each is asked once, briefly, all at the same time.

Opening a port raises DTR, on which some boards start again: whoever does not want that does not ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edged.core.errors import BoardRefused, BoardSilent, PortLost
from edged.mcu.board import Board
from edged.mcu.info import BoardInfo, SlotImage
from edged.mcu.link import Link
from edged.mcu.transport import Patience

BRIEFLY = Patience(answer_s=0.4, attempts=2)
"""A board that runs answers within milliseconds; the second time is for a line that had noise on it when it was opened."""

WITHIN_S = 4.0
"""For everything on one port, whatever comes on it."""


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
            return await _hear(Board(link, BRIEFLY))
    except PortLost as error:
        return Heard(lost=error.message)
    except (BoardSilent, TimeoutError):
        return Heard()


async def _hear(board: Board) -> Heard:
    try:
        return Heard(info=await board.info())
    except (BoardRefused, BoardSilent):  # a server may be mute on a group that it has not
        pass
    try:
        return Heard(slots=await board.images(BRIEFLY))
    except BoardRefused:
        return Heard(slots=())
