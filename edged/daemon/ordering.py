"""Other settings on their way to the vision process, and the accelerators that they ask for."""

from __future__ import annotations

import dataclasses
import logging
from typing import Protocol

from edged.config.problems import Problem
from edged.core.errors import ProtocolViolated
from edged.daemon.accelerators import Accelerators
from edged.daemon.child import VisionProcess
from edged.daemon.serving import Serving
from edged.vision import ipc

log = logging.getLogger(__name__)

HOPELESS_FIX = 'Mend it, or set delegate = "auto", which goes on without it.'


class Listener(Protocol):
    """Who wants to know that other settings serve."""

    async def on_report(self, report: ipc.Report) -> None:
        """They do from here on."""


class Ordering:
    """Hands the order that ``serving`` has to a process, and takes on what became of it."""

    def __init__(self, serving: Serving, accelerators: Accelerators, listener: Listener) -> None:
        self._serving = serving
        self._accelerators = accelerators
        self._listener = listener

    async def send(self, child: VisionProcess) -> None:
        """Hand over the order, if there is one that the process has not got."""
        try:
            if self._can_be_met() and (settings := self._serving.to_send()):
                log.debug("other settings: asks the vision process")
                await child.reconfigure(dataclasses.replace(settings, avoid=self._accelerators.expect(settings.used_models)))
        except ProtocolViolated as error:  # larger than a message can be
            self._serving.abandon(error.message)

    async def take_on_unsent(self) -> None:
        """Between two processes: what neither has got is not to wait for one that may die as young; the next begins with it."""
        if self._can_be_met() and (settings := self._serving.unsent):
            await self.take_on(ipc.Reconfigured(tuple(settings.cameras), ()))

    async def take_on(self, report: ipc.Reconfigured) -> None:
        """The order is obeyed; raises ProtocolViolated without one."""
        answer = self._serving.accept()
        self._accelerators.reconfigure(self._serving.settings.used_models)
        await self._listener.on_report(report)
        if not answer.done():  # who waited may have been cancelled
            answer.set_result(report)

    def _can_be_met(self) -> bool:
        """False once the order is refused because it demands an accelerator that is known not to work, as a start would."""
        settings = self._serving.unsent
        unmet = self._accelerators.unmet(settings.used_models) if settings else {}
        if unmet:
            problems = [Problem(("models", name), f"its accelerator cannot be used now: {why}") for name, why in unmet.items()]
            self._serving.abandon("an accelerator that is demanded does not work", tuple(problems), HOPELESS_FIX)
        return not unmet
