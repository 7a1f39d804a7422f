"""Reloading the configuration: the file is read anew and taken on as a whole, or refused as a whole.

Rules: at most one attempt runs and one waits, however many ask (who asks while one runs may mean a newer file); everyone who asks
is told the outcome; a refusal is logged with every problem, counted, and stays in the status line until a reload succeeds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from edged.config.load import explain
from edged.config.problems import Problem
from edged.core.errors import ConfigInvalid, EdgedError, StoreFailed
from edged.daemon.control import Refused, Reload, Reloaded, Reply
from edged.daemon.systemd import Notifier

log = logging.getLogger(__name__)

LEAVING = Refused("edged is stopping", (), "")


class SettingsRefused(EdgedError):
    """A valid configuration that the running daemon cannot take on.

    ``died`` tells whether the vision process did over it, ``no_room`` whether memory is short of what a model needs.
    """

    def __init__(
        self, message: str, problems: tuple[Problem, ...] = (), *, hint: str = "", died: bool = False, no_room: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems
        self.died = died
        self.no_room = no_room


class Reloader:
    """``reload`` reads ``config``, makes the daemon go on with it and returns what changed; it raises EdgedError if nothing has."""

    def __init__(self, config: Path, reload: Callable[[], Awaitable[tuple[str, ...]]], notifier: Notifier) -> None:
        self._config = config
        self._take_on_file = reload
        self._notifier = notifier
        self._running: asyncio.Future[Reply] | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._wanted = asyncio.Event()
        self._closed = False
        self.accepted = self.refused = 0
        self.last_refusal = ""

    @property
    def status(self) -> str:
        """For the status line; empty before the first reload."""
        parts = [f"{self.accepted} reloads"] if self.accepted else []
        parts += [f"{self.refused} reloads refused"] if self.refused else []
        parts += [f"the last because of: {self.last_refusal}"] if self.last_refusal else []
        return ", ".join(parts)

    def request(self) -> asyncio.Future[Reply]:
        """Ask for a reload; the future, which others may share, has its outcome."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
            if self._closed:
                self._waiting.set_result(LEAVING)
            self._wanted.set()
        return self._waiting

    async def answer(self, request: Reload) -> Reply:
        """Reload for a client, and say what became of it."""
        if request.config is not None and not _same_file(Path(request.config), self._config):
            return Refused(f"this daemon runs on {self._config}, not on {request.config}", (), "name that one")
        return await asyncio.shield(self.request())

    async def run(self) -> None:
        """Reload whenever it is asked for, for ever; raises StoreFailed if the store fails over it."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                self._running, self._waiting = self._waiting, None
                outcome = await self._reload()
                assert self._running
                self._running.set_result(outcome)
        finally:
            self._closed = True
            for future in (self._running, self._waiting):
                if future and not future.done():
                    future.set_result(LEAVING)

    async def _reload(self) -> Reply:
        self._notifier.reloading()
        try:
            outcome = await self._attempt()
            self._note(outcome)
        finally:
            self._notifier.reloaded("serving")
        return outcome

    def _note(self, outcome: Reloaded | Refused) -> None:
        if isinstance(outcome, Reloaded):
            self.accepted += 1
            self.last_refusal = ""
            log.info("reloaded %s: %s", self._config, ", ".join(outcome.changes) or "nothing changed")
            return
        self.refused += 1
        self.last_refusal = next(iter(outcome.problems), outcome.message)
        log.error("reload refused, the old configuration serves on: %s", outcome.message)
        for problem in outcome.problems:
            log.error("  %s", problem)

    async def _attempt(self) -> Reloaded | Refused:
        try:
            return Reloaded(await self._take_on_file())
        except StoreFailed:
            raise
        except SettingsRefused as error:
            return Refused(error.message, explain(self._config, error.problems), error.hint)
        except ConfigInvalid as error:
            return Refused(error.message, error.problems, error.hint)
        except EdgedError as error:
            return Refused(error.message, (), error.hint)


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False
