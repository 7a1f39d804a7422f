"""Keeps a vision process running.

A process that lived is started again at once, one that dies young after a growing delay. A fault that a restart would not mend
(a model that is refused) ends the daemon with that error. A process that an accelerator took with it is started again at once with
its models on the CPU, and once more, in good order, when the accelerator works again. Other settings are handed to the process that
serves, which takes them on or refuses them while it goes on; what is ordered while one comes up waits for it, and only where none
is to come up for a while the next one is begun with them, at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import time
from collections.abc import Sequence
from typing import Protocol

from edged.core.backoff import Backoff
from edged.core.errors import ModelRejected, ProcessNotStarted, ProtocolViolated, VisionFailed
from edged.daemon.accelerators import Accelerators
from edged.daemon.admission import Admission
from edged.daemon.bench import End
from edged.daemon.child import VisionProcess
from edged.daemon.health import Health
from edged.daemon.mending import until_mended
from edged.daemon.ordering import HOPELESS_FIX, Ordering
from edged.daemon.reload import SettingsRefused
from edged.daemon.serving import Serving
from edged.daemon.shadowing import Shadowing
from edged.vision import ipc
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)

YOUNG_S = 10.0
"""A process that dies so soon after its first heartbeat has not shown that it works."""

RETRY_MIN_S = 0.1
RETRY_MAX_S = 30.0


class Listener(Protocol):
    """Who wants to know."""

    async def on_report(self, report: ipc.Report) -> None:
        """The vision process said something; slowness here slows it down."""

    async def on_vision_lost(self, how: End) -> None:
        """The vision process ended, in this way; nothing more comes from that run."""


class Supervisor:
    """Starts, watches, stops and restarts the vision process."""

    def __init__(self, settings: VisionSettings, admission: Admission, health: Health, listener: Listener) -> None:
        self._serving = Serving(settings)
        self._admission = admission
        self._health = health
        self._listener = listener
        self._shadowing = Shadowing()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._renew = asyncio.Event()  # the life that begins has settings that are not to be served any more
        self._child: VisionProcess | None = None
        self._pausing = False  # between a process that died and the next
        self.failing = False  # the last process died, and none has shown a heartbeat since
        self._beating_since_s: float | None = None
        self._accelerators = Accelerators(settings.used_models, random.random)
        self._ordering = Ordering(self._serving, self._accelerators, listener)
        self._fell = self._renewing = False
        self._end: End = "in order"
        self._over = False  # nobody starts a process any more, for now
        self.restarts = 0

    @property
    def vision_pid(self) -> int | None:
        """Of the process that lives now."""
        return self._child.pid if self._child else None

    def stop(self) -> None:
        """Let the vision process end in good order; ``run`` returns after it."""
        self._stop.set()
        self._hurry.set()

    async def reconfigure(self, settings: VisionSettings) -> ipc.Reconfigured:
        """Serve other settings; the listener hears Reconfigured before anything that follows from them.

        One at a time. Raises SettingsRefused: nothing has changed; also once ``run`` has ended, until it is called again.
        """
        if self._over:
            raise SettingsRefused("no vision process is to come up now")
        answer = self._serving.order(settings)
        if self._child and self._beating_since_s:
            await self._ordering.send(self._child)
        elif self._pausing:
            await self._ordering.take_on_unsent()
            self._hurry.set()
        return await answer

    @property
    def beats(self) -> bool:
        """Whether a process serves that can be asked."""
        return self._child is not None and self._beating_since_s is not None

    async def renew(self, settings: VisionSettings) -> None:
        """Serve other settings by another process, at once: for those that must not wait for the one that is there."""
        self._serving.settings = settings
        self._accelerators.reconfigure(settings.used_models)
        self._renewing = True
        self._renew.set()
        self._hurry.set()
        if self._child:
            await self._child.stop()

    async def shadow(self, order: ipc.Shadow) -> ipc.Agreement:
        """Let a candidate, whose bundle passed its probe, look on beside the model that serves; returns how far they agreed.

        The listener hears of it each second. One at a time; cancelled, it ends. That the process died meanwhile, maybe of the
        candidate, is an end like any other (``failed``). Raises SettingsRefused if nothing serves that could have a shadow now.
        """
        child = self._child
        if child is None or not self._beating_since_s or order.model_name not in self._serving.settings.used_models:
            raise SettingsRefused(f"model {order.model_name} does not serve now")
        numbered, answer = self._shadowing.begin(order)
        try:
            await child.shadow(numbered)
            return await answer
        finally:
            if self._shadowing.give_up() and self._child is child:
                await child.shadow(ipc.StopShadow())

    async def run(self) -> None:
        """Serve until stopped or every recording has ended; raises VisionFailed on a fault that no restart mends."""
        self._over = False
        try:
            await self._run()
        except VisionFailed as error:
            self._serving.abandon(f"the vision process gave up over it ({error.message})", died=True)
            raise
        finally:
            self._over = True
            self._serving.abandon("edged is stopping")
            self._shadowing.on_end("")

    async def _run(self) -> None:
        backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S, random.random)
        while (settings := self._serving.to_start()).cameras:
            reason = await self._live(settings)
            if reason is None:
                return
            await self._listener.on_vision_lost(self._end)
            if self._stop.is_set():
                return
            if self._renewing:
                self._hurry.clear()
                self._serving.send_again()
                continue
            self.failing = True
            self._serving.on_death(reason)
            await self._ordering.take_on_unsent()
            self.restarts += 1
            lived_s = time.monotonic() - self._beating_since_s if self._beating_since_s else 0.0
            delay_s = backoff.next_delay_s()
            if lived_s > YOUNG_S:
                backoff.reset()
            if lived_s > YOUNG_S or self._fell:
                delay_s = 0.0
            log.error("the vision process ended (%s), starting it again in %.1f s", reason, delay_s)
            if await self._stopped_within(delay_s):
                return

    async def _live(self, settings: VisionSettings) -> str | None:
        """One life of the vision process; ``None`` if it finished, else how it died."""
        self._beating_since_s = None
        self._fell = self._renewing = False
        self._renew.clear()
        self._end = "in order"
        self._health.vision_changed()
        finished = False
        try:
            admitted = await self._admitted(settings)
            if admitted is None:
                return "other settings are to be served" if self._renewing else None
            self._serving.identify(admitted)
            async with VisionProcess(dataclasses.replace(admitted, avoid=self._accelerators.avoid)) as child:
                self._child = child
                if self._renewing:
                    await child.stop()
                beside = [asyncio.create_task(self._stop_child(child)), asyncio.create_task(self._go_back_once_mended(child))]
                try:
                    async for report in child.reports():
                        finished = isinstance(report, ipc.Finished)
                        await self._heed(report, child)
                except ProtocolViolated as error:
                    log.error("the vision process talks nonsense: %s", error)
                    child.kill()
                finally:
                    await _end(beside)
        except ProcessNotStarted as error:
            return error.message
        except ModelRejected as error:
            if error.fault != "changed":
                raise
            return error.message  # a file was replaced while it was tried: the next life tries what is there then
        finally:
            self._child = None
            self._health.vision_changed()
        self._shadowing.on_end("" if finished else child.exit)
        if finished and not self._renewing:
            return None
        if not finished and not self._stop.is_set():
            self._end = "hung" if child.death.hung else "crashed"
            self._heed_fall(self._accelerators.on_death(child.death, time.monotonic()), child.exit)
        return child.exit

    async def _admitted(self, settings: VisionSettings) -> VisionSettings | None:
        """The settings, once their models may be loaded; ``None`` if stopped meanwhile, or if others are to be served."""
        trying = asyncio.create_task(self._admission.admit(settings))
        others = [asyncio.create_task(event.wait()) for event in (self._stop, self._renew)]
        try:
            await asyncio.wait([trying, *others], return_when=asyncio.FIRST_COMPLETED)
            return await trying if trying.done() and not self._renewing else None
        finally:
            for task in (trying, *others):
                task.cancel()
            await asyncio.gather(trying, *others, return_exceptions=True)

    async def _heed(self, report: ipc.Report, child: VisionProcess) -> None:
        try:
            report = self._serving.checked(report)
        except ProtocolViolated:
            if not self._renewing:
                raise
            return  # of what the next process is to serve without
        match report:
            case ipc.Fault() if not self._renewing:
                raise VisionFailed(report.message, hint=report.hint)
            case ipc.BundlesChanged():
                log.warning("%s: to be tried anew", report.message)
            case ipc.AcceleratorFailed():
                fallen = self._accelerators.on_failed(report.model_name, report.message, time.monotonic())
                if not fallen:
                    raise VisionFailed(report.message, hint=report.hint)
                self._heed_fall(fallen, report.message, report.hint)
            case ipc.ModelServes():
                self._health.note_model(report)
                self._accelerators.on_serves(report.model_name, report.delegate, report.fallback, time.monotonic())
            case ipc.CameraEnded():
                self._serving.end(report.camera)
            case ipc.Stats():
                await self._on_heartbeat(report, child)
            case ipc.Agreement():
                self._shadowing.heed(report)
            case ipc.Refused():
                self._serving.refuse(report)
            case ipc.Reconfigured():
                await self._ordering.take_on(report)
                return
        await self._listener.on_report(report)

    async def _on_heartbeat(self, stats: ipc.Stats, child: VisionProcess) -> None:
        now_s = time.monotonic()
        self._beating_since_s = self._beating_since_s or now_s
        self._health.note(stats, now_s)
        if self._health.stuck(now_s):
            log.error("frames wait and none is inferred: killing the vision process")
            child.kill_hung()
        self.failing = False
        await self._ordering.send(child)

    def _heed_fall(self, fallen: Sequence[str], why: str, hint: str = "") -> None:
        """Models fell from their accelerator; raises VisionFailed where the configuration demands one that never worked."""
        self._fell |= bool(fallen)
        for name in fallen:
            if self._accelerators.is_hopeless(name):
                raise VisionFailed(f"model {name}: its accelerator cannot be used: {why}", hint=hint or HOPELESS_FIX)
            log.error("model %s: its accelerator failed (%s); on the CPU until it works again", name, why)

    async def _go_back_once_mended(self, child: VisionProcess) -> None:
        """End this life of the vision process once an accelerator works again, so that the next uses it."""
        back = await until_mended(self._accelerators, lambda: None if self._renewing else self._serving.settings)
        log.warning("the accelerator of %s works again: going back to it", ", ".join(f"model {name}" for name in back))
        self._renewing = True
        await child.stop()

    async def _stop_child(self, child: VisionProcess) -> None:
        await self._stop.wait()
        await child.stop()

    async def _stopped_within(self, delay_s: float) -> bool:
        """Wait, unless other settings give reason to begin at once; whether it is over."""
        self._pausing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._hurry.wait()
        self._pausing = False
        if not self._stop.is_set():
            self._hurry.clear()
        return self._stop.is_set()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel ``tasks`` and wait until they have let go of what they hold; raises what one of them raised."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
