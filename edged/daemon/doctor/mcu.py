"""Microcontrollers: whether the port can be opened, and whoever is behind it works. It is asked, and nothing is changed on it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from edged.core.errors import BoardRefused, BoardSilent, PortLost
from edged.core.holders import DAEMON, holders
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import code_of, trouble
from edged.mcu.settings import McuSettings

if TYPE_CHECKING:
    from edged.mcu.info import BoardInfo

WITHIN_S = 20.0
"""A board that does not answer is asked five times."""


def check_mcu(name: str, settings: McuSettings) -> list[Finding]:
    """The board, and how its port is called."""
    check = f"mcu {name}"
    found = [_check_board(check, settings)]
    if not settings.is_stable and found[0].code != "mcu-absent":
        what = f"{settings.port} may be another board's name after the next start"
        found.append(trouble(check, "mcu-unstable-name", what))
    return found


def _check_board(check: str, settings: McuSettings) -> Finding:
    port = Path(settings.port)
    if any(holder.startswith(f"{DAEMON} ") for holder in holders(port)):
        return Finding(check, "ok", f"{port}, read by the daemon, whose health tells more")
    try:
        info = asyncio.run(_ask(settings))
    except PortLost as error:
        return trouble(check, code_of("mcu", error.fault), error.message, error.hint)
    except BoardSilent as error:
        return trouble(check, "mcu-no-answer", error.message)
    except BoardRefused as error:
        return trouble(check, "mcu-foreign", error.message)
    return _judge(check, settings, info)


async def _ask(settings: McuSettings) -> BoardInfo:
    from edged.mcu.board import Board
    from edged.mcu.link import Link

    async with Link(settings.port, settings.baud) as link:
        return await Board(link).info()


def _judge(check: str, settings: McuSettings, info: BoardInfo) -> Finding:
    named, model = f"{info.board}, firmware {info.version}", f"model {info.model.name} {info.model.version}"
    if settings.board and info.board != settings.board:
        return trouble(check, "mcu-other-board", f"{settings.port} is a board {info.board}, expected {settings.board}")
    if info.mode == "loader":
        return trouble(check, "mcu-in-loader", f"{named}: its loader answers")
    if info.diagnosis:
        return trouble(check, "mcu-model-refused", f"{named}: {info.diagnosis}")
    if not info.model.name:
        return trouble(check, "mcu-no-model", f"{named}: no model")
    if info.self_test == "failed":
        return trouble(check, "mcu-self-test-failed", f"{named}, {model}: it fails its self-test")
    return Finding(check, "ok", f"{named}, {model} ({info.model.state}), self-test {info.self_test}")
