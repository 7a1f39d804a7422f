"""The configuration file as it was read last, and the document that was pushed over it: what the daemon is to run with.

Rules: a push is laid over the file as it serves, not over what somebody may be writing just now; whatever changes either of the two
waits for the other; a change that is refused leaves both as they were.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edged.config.load import Document, read, settle
from edged.config.pushed import DOCUMENT
from edged.config.schema import Settings
from edged.core.errors import ConfigInvalid
from edged.core.tasks import finished

log = logging.getLogger(__name__)

KIND = "config"

TakeOn = Callable[[Settings], Awaitable[tuple[str, ...]]]
"""Makes the daemon go on with other settings and returns what changed; raises EdgedError if nothing has."""


class Layers:
    """``surely`` is ``take_on`` that does not fail, by another vision process if need be. Belongs to the event loop.

    ``packages`` are the directories of what was pushed, by ``config/<id>``; ``None`` for the file alone.
    """

    def __init__(self, config: Path, take_on: TakeOn, surely: Callable[[Settings], Awaitable[None]]) -> None:
        self._config = config
        self._take_on = take_on
        self._surely = surely
        self._turn = asyncio.Lock()
        self._file: Document | None = None
        self.packages: dict[str, Path | None] = {}

    def start(self, packages: Mapping[str, Path | None]) -> Settings:
        """What the daemon begins with; raises ConfigInvalid. Blocks."""
        self._file = read(self._config)
        settings = settle(self._file, _documents(packages))
        self.packages = dict(packages)
        return settings

    async def reload(self) -> tuple[str, ...]:
        """Read the file anew and take it on, with what was pushed over it; returns what changed. Raises EdgedError."""
        async with self._turn:
            file = await asyncio.to_thread(read, self._config)
            changes = await self._take_on(await asyncio.to_thread(settle, file, _documents(self.packages)))
            self._file = file
            return changes

    async def check(self, path: str, package: Path) -> None:
        """Whether what was pushed fits the file; raises ConfigInvalid."""
        await asyncio.to_thread(self._settled, self._with(path, package))

    async def lay(self, path: str, package: Path | None) -> Settings:
        """Take on what was pushed, in the place of what was before; raises EdgedError. Comes to its end even if it is cancelled."""
        return await finished(self._lay(path, package))

    async def _lay(self, path: str, package: Path | None) -> Settings:
        async with self._turn:
            packages = self._with(path, package)
            settings = await asyncio.to_thread(self._settled, packages)
            with self._laid(packages):
                changes = await self._take_on(settings)
            log.info("%s is laid over %s: %s", path, self._config, ", ".join(changes) or "nothing changed")
            return settings

    async def take_off(self, path: str, package: Path | None) -> None:
        """Go back to what was pushed before, or to the file alone where that does not fit it any more."""
        await finished(self._take_off(path, package))

    async def _take_off(self, path: str, package: Path | None) -> None:
        async with self._turn:
            packages = self._with(path, package)
            try:
                settings = await asyncio.to_thread(self._settled, packages)
            except ConfigInvalid as error:
                log.error("%s: what was pushed before does not fit any more, the file alone serves: %s", path, error)
                packages = self._with(path, None)
                settings = await asyncio.to_thread(self._settled, packages)
            with self._laid(packages):
                await self._surely(settings)

    @contextmanager
    def _laid(self, packages: dict[str, Path | None]) -> Iterator[None]:
        """Let ``packages`` be what is laid over the file, unless the block fails, whatever the failure is."""
        before, self.packages = self.packages, packages
        try:
            yield
        except BaseException:
            self.packages = before
            raise

    def _with(self, path: str, package: Path | None) -> dict[str, Path | None]:
        return {**self.packages, path: package}

    def _settled(self, packages: Mapping[str, Path | None]) -> Settings:
        self._file = self._file or read(self._config)
        return settle(self._file, _documents(packages))


def identify(package: Path) -> str:
    """By what a pushed document is known again: the hash of its bytes. Raises OSError."""
    return hashlib.sha256((package / DOCUMENT).read_bytes()).hexdigest()


def _documents(packages: Mapping[str, Path | None]) -> dict[str, Path | None]:
    return {path: package / DOCUMENT if package else None for path, package in packages.items()}
