"""All microcontrollers: a keeper for each, and what they say handed on.

The keepers, and with them the serial port and its protocol, are loaded only where one is configured.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from edged.core.event import Occurrence
from edged.core.mcu import McuCounters, McuState
from edged.core.problem import ProblemCode
from edged.daemon.mcu_images import paths_of
from edged.daemon.publishing import Publishing
from edged.mcu.duties import Duties
from edged.mcu.settings import McuSettings

if TYPE_CHECKING:
    from edged.daemon.mcu_commands import Commander
    from edged.daemon.mcu_keeper import Keeper

log = logging.getLogger(__name__)

SAID_AGAIN_S = 30.0
"""Between states of a board of which only counters differ."""


@dataclass(frozen=True, slots=True)
class McuObservation:
    """A board, and what is wrong with it, by code and detail."""

    state: McuState
    problems: tuple[tuple[ProblemCode, str], ...] = ()


class Mcus:
    """``put`` stores an occurrence; ``happened`` is called when health may be another. Belongs to the event loop."""

    def __init__(
        self,
        settings: Mapping[str, McuSettings],
        put: Callable[[Occurrence], Awaitable[None]],
        publishing: Publishing,
        happened: Callable[[], None],
    ) -> None:
        self._settings = dict(settings)
        self._put = put
        self._publishing = publishing
        self._happened = happened
        self._replaced = asyncio.Event()
        self._serves = False  # at first everything else waits for commands to be listened to, before the broker brings any
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._said: dict[str, tuple[object, float]] = {}
        self._seen: set[str] = set()
        self._mended: dict[tuple[str, str], str] = {}
        self._commander: Commander | None = None
        self.duties = Duties()
        self.keepers: dict[str, Keeper] = {}
        self.came: Callable[[Keeper], None] = lambda keeper: None
        """Called when a board said who it is."""

    @property
    def ready(self) -> bool:
        """Whether every required board was heard since the start."""
        return all(name in self._seen for name, mcu in self._settings.items() if mcu.required)

    def replace(self, settings: Mapping[str, McuSettings]) -> None:
        """Other settings hold: boards whose port, rate or kind differs are opened anew, the others go on by what holds now."""
        if self._settings != dict(settings):
            self._settings = dict(settings)
            self._replaced.set()

    def observe(self, now_ns: int) -> tuple[McuObservation, ...]:
        """All of them, as they are."""
        return tuple(
            McuObservation(
                keeper.gateway.state,
                (
                    *keeper.gateway.problems(now_ns),
                    *(("mcu_update_failed", why) for (name, _), why in self._mended.items() if name == keeper.name),
                ),
            )
            for keeper in self.keepers.values()
        )

    def note_mended(self, keeper: Keeper, path: str, trouble: str) -> None:
        """What is confirmed under ``path`` could not be put onto a board; without ``trouble`` it is there."""
        if trouble:
            self._mended[keeper.name, path] = trouble
        else:
            self._mended.pop((keeper.name, path), None)
        self._happened()

    async def run(self) -> None:
        """Keep them, for ever; raises what ``put`` raises."""
        try:
            while True:
                self._replaced.clear()
                await self._settle()
                waiting = asyncio.create_task(self._replaced.wait())
                try:
                    done, _ = await asyncio.wait([waiting, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                for task in done - {waiting}:
                    task.result()
        finally:
            if self._commander:
                await self._commander.close()
            await self._end(list(self._tasks))

    async def on_occurrences(self, occurrences: Sequence[Occurrence]) -> None:
        """See ``Listener``."""
        for occurrence in occurrences:
            await self._put(occurrence)

    def on_state(self, keeper: Keeper) -> None:
        """See ``Listener``. States go to the broker at once where something is another, and now and then for their counters."""
        state, now_s = keeper.gateway.state, time.monotonic()
        if state.state in {"online", "loader"}:
            self._seen.add(keeper.name)
        told, counters = ("restarts", "losses", "commands", "commands_refused"), state.counters
        rare = McuCounters(**{name: getattr(counters, name) for name in told})
        lasting = replace(state, counters=rare, uptime_ms=0, invoke_us_mean=0, invoke_us_max=0, stack_free_bytes=0)
        before, said_s = self._said.get(keeper.name, (None, 0.0))
        if lasting != before or now_s - said_s > SAID_AGAIN_S:
            self._said[keeper.name] = (lasting, now_s)
            self._publishing.mcu(state)
        if lasting != before:
            self._happened()

    def on_known(self, keeper: Keeper) -> None:
        """See ``Listener``."""
        self.came(keeper)

    def on_plugged_in(self, keeper: Keeper) -> None:
        """See ``Listener``."""
        self.duties.plugged_in(keeper.name)

    def in_hand(self, keeper: Keeper) -> bool:
        """See ``Listener``."""
        return self.duties.in_hand(keeper.name)

    async def _settle(self) -> None:
        """Have a keeper for each board of the settings, and for no other."""
        wanted = self._settings
        gone = [name for name, it in self.keepers.items() if name not in wanted or wanted[name].line != it.settings.line]
        await self._end(gone)
        if wanted:
            if self._serves:  # half a second of a Pi and more, in which cameras are to go on
                await asyncio.to_thread(import_module, "edged.daemon.mcu_keeper")
            self._keep(wanted)
        self._serves = True
        takers = [name for name, settings in self._settings.items() if settings.commands]
        if takers or self._commander:
            from edged.daemon.mcu_commands import Commander

            self._commander = self._commander or Commander(lambda: self.keepers)
            self._publishing.listen(takers, self._commander.take)
        self._publishing.keep_mcus(self._settings)
        self._happened()

    def _keep(self, wanted: Mapping[str, McuSettings]) -> None:
        from edged.daemon.mcu_keeper import Keeper

        for name, settings in wanted.items():
            keeper = self.keepers.get(name)
            if keeper is None:
                keeper = self.keepers[name] = Keeper(name, settings, settings.labels, self)
                self._tasks[name] = asyncio.create_task(keeper.run())
                self._publishing.mcu(keeper.gateway.state)
            elif keeper.settings != settings:
                keeper.configure(settings, settings.labels)
                self.duties.follows(name, follows := tuple(paths_of(settings)))
                self._mended = {key: why for key, why in self._mended.items() if key[0] != name or key[1] in follows}
                if keeper.present:
                    self.came(keeper)  # it may follow something else now

    async def _end(self, names: Sequence[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in names:
            self.keepers.pop(name, None)
            self._said.pop(name, None)
            self.duties.forget(name)
            self._mended = {key: why for key, why in self._mended.items() if key[0] != name}
