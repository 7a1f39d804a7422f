"""Bundles that a person puts into a folder: each a directory that is called as the id that it is for.

Rules: a bundle is taken once nothing in it changed between two looks, as it does while it is copied; what was tried is tried again
only when it changes; nothing in the folder is changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from edged.core.errors import EdgedError, UpdateFailed
from edged.core.followed import FOLLOWED

log = logging.getLogger(__name__)

LOOK_S = 5.0

Stamp = tuple[tuple[str, int, int], ...]
"""Name, size and time of change of each file."""

Install = Callable[[str, Path], Awaitable[None]]
"""Has the bundle of a directory installed for an id; raises EdgedError, of which UpdateFailed may pass, and OSError."""


class DropFolder:
    """``run`` looks, for ever."""

    def __init__(self, directory: Path, install: Install, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._directory = directory
        self._install = install
        self._sleep = sleep
        self._seen: dict[str, Stamp] = {}
        self._tried: dict[str, Stamp] = {}

    async def run(self) -> None:
        """Look, and have installed what is whole."""
        while True:
            stamps = await asyncio.to_thread(_look, self._directory)
            for name, stamp in stamps.items():
                if self._seen.get(name) == stamp:
                    await self._take(name, stamp)
            self._seen = stamps
            await self._sleep(LOOK_S)

    async def _take(self, name: str, stamp: Stamp) -> None:
        path = self._directory / name
        if self._tried.get(name) == stamp:
            return
        log.info("%s: found, to be installed", path)
        try:
            await self._install(name, path)
        except (UpdateFailed, OSError) as error:  # may pass: it is found again
            log.warning("%s: not installed yet: %s", path, error)
            return
        except EdgedError as error:
            log.error("%s: not installed: %s", path, error)
        self._tried[name] = stamp


def _look(directory: Path) -> dict[str, Stamp]:
    """The bundles that are there now; a folder that is away, as on a stick, has none."""
    found = {}
    try:
        for path in directory.iterdir():
            if FOLLOWED.fullmatch(path.name) and path.is_dir():
                stats = [(file.name, file.stat()) for file in sorted(path.iterdir())]
                found[path.name] = tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
    except OSError as error:
        log.debug("%s: %s", directory, error)
    return found
