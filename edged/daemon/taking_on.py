"""Other settings while the daemon runs, and other models: made before anything old is given up, and served only once the vision
process serves them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable

from edged.config.changes import compare
from edged.config.problems import Problem
from edged.config.schema import Settings
from edged.core.errors import EdgedError
from edged.core.tasks import finished
from edged.daemon.admission import Admission
from edged.daemon.outputs import MakeViews, Outputs
from edged.daemon.reload import SettingsRefused
from edged.daemon.supervisor import Supervisor
from edged.store.store import Store
from edged.vision import ipc
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)


class TakingOn:
    """``outputs``, and with them the settings, are those that serve. ``for_vision`` says what the vision process is to have of
    settings, ``on_taken`` hears which outputs served before. Belongs to the event loop.
    """

    def __init__(
        self,
        outputs: Outputs,
        store: Store,
        make_views: MakeViews,
        admission: Admission,
        *,
        supervisor: Callable[[], Supervisor],
        for_vision: Callable[[Settings], VisionSettings],
        on_taken: Callable[[Outputs, ipc.Reconfigured], None],
    ) -> None:
        self.outputs = outputs
        self._coming: Outputs | None = None
        self._store = store
        self._make_views = make_views
        self._admission = admission
        self._supervisor = supervisor
        self._for_vision = for_vision
        self._on_taken = on_taken
        self._turn = asyncio.Lock()  # one order to the vision process at a time
        self._resting: asyncio.Event | None = None  # without a camera, or after the last recording; set when there is one again

    async def reconfigure(self, settings: Settings) -> tuple[str, ...]:
        """Go on with other settings; returns what changed. Raises EdgedError, upon which nothing has.

        Make before break: everything that may fail is done while the old settings serve. The vision process has the last word.
        """
        changes = compare(self.outputs.settings, settings)
        if fixed := tuple(Problem(change.key, "needs a restart") for change in changes if change.needs_restart):
            names = ", ".join(".".join(problem.path) for problem in fixed)
            raise SettingsRefused(f"needs a restart: {names}", fixed, hint="restart edged, or change that back")
        if not settings.cameras and not self._resting:
            raise SettingsRefused(
                "the last camera can be taken away by a restart alone", (Problem(("cameras",), "needs a restart"),)
            )
        async with self._turn:
            coming = self._coming = Outputs.make(settings, self._store, self._make_views, self.outputs)
            try:
                if coming.publisher and coming.publisher is not self.outputs.publisher:
                    await coming.publisher.check()
                report = await self._take_on(await self._admission.admit_whole(self._for_vision(settings)))
            finally:
                if self.outputs is not coming:
                    coming.close()
        await self._store.configure(settings.store, publish=settings.mqtt is not None)
        changed = {change.key for change in changes}
        loaded = [name for name in settings.models if name in report.loaded and ("models", name) not in changed]
        return (*map(str, changes), *(f"models.{name} loaded" for name in loaded))

    async def _take_on(self, settings: VisionSettings) -> ipc.Reconfigured:
        """By the vision process; by the next one, if there is any need of it, where none is at work for want of cameras."""
        if not self._resting:
            return await self._supervisor().reconfigure(settings)
        self.taken(report := ipc.Reconfigured(tuple(settings.cameras), ()))
        if settings.cameras:
            await self._supervisor().renew(settings)
            self._resting.set()
        return report

    async def reconfigure_surely(self, settings: Settings) -> None:
        """The same, by another vision process if need be, for settings that differ in nothing else than what it looks at."""
        if self._supervisor().beats:
            try:
                await self.reconfigure(settings)
            except EdgedError as error:
                log.error("other settings are not taken on by the vision process (%s): starting it anew", error)
            else:
                return
        async with self._turn:
            self._coming = dataclasses.replace(self.outputs, settings=settings)  # nothing that is opened, and could fail
            self.taken(ipc.Reconfigured(tuple(settings.cameras), ()))
            await self._supervisor().renew(self._for_vision(settings))

    async def exchange(self) -> None:
        """Let the vision process serve what ``updates`` say now; raises EdgedError, upon which nothing has changed."""
        await finished(self._exchange())

    async def _exchange(self) -> None:
        async with self._turn:
            self._coming = self.outputs
            settings = self._for_vision(self.outputs.settings)
            await self._supervisor().reconfigure(await self._admission.admit_whole(settings))

    async def exchange_surely(self) -> None:
        """The same, by another vision process if need be."""
        if self._supervisor().beats:
            try:
                await self.exchange()
            except EdgedError as error:
                log.error("a model cannot be exchanged while it serves (%s): starting the vision process anew", error)
            else:
                return
        async with self._turn:
            await self._supervisor().renew(self._for_vision(self.outputs.settings))

    async def shadow(self, order: ipc.Shadow) -> ipc.Agreement:
        """Let a candidate look on beside the model that serves."""
        return await self._supervisor().shadow(order)

    def taken(self, report: ipc.Reconfigured) -> None:
        """The vision process serves the settings that were ordered."""
        assert self._coming
        old, self.outputs = self.outputs, self._coming
        self._on_taken(old, report)
        if old.file is not self.outputs.file:
            old.close()

    async def rest(self) -> bool:
        """Until there is a camera again, or ``wake``; whether there is one."""
        self._resting = asyncio.Event()
        await self._resting.wait()
        self._resting = None
        return bool(self.outputs.settings.cameras)

    def wake(self) -> None:
        """Do not rest any longer."""
        if self._resting:
            self._resting.set()
