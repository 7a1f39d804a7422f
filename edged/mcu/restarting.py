"""A board that is told to start again, until it says what is waited for.

A board with USB of its own takes its port with it. Under /dev/serial/by-id that comes back under the same name; it is opened again,
and asked further.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from edged.core.errors import BoardSilent, PortLost
from edged.mcu.board import Board

T = TypeVar("T")
Away = Callable[[Path], None]

_BETWEEN_S = 0.1


def not_told(path: Path) -> None:
    """For who does not want to hear that a port went away."""


async def restart_until(
    board: Board, ask: Callable[[], Awaitable[T | None]], within_s: float, away: Away | None = None
) -> T | None:
    """Reset it, and ``ask`` until there is an answer; None if there is none within that time.

    ``away`` hears of a port that goes, which is then waited for; without it that is the end. Raises what ``ask`` raises, but for
    BoardSilent; PortLost for a port that stays away.
    """
    deadline_s = time.monotonic() + within_s
    await board.reset()
    while time.monotonic() < deadline_s:
        try:
            if (answer := await ask()) is not None:
                return answer
        except BoardSilent:
            continue
        except PortLost as error:
            if away is None or error.fault != "vanished":
                raise
            away(board.link.path)
            await board.link.reopen(deadline_s - time.monotonic())
            continue
        await asyncio.sleep(_BETWEEN_S)
    return None
