"""Keeps a vision process running.

A process that lived is started again at once, one that dies young after a growing delay. A fault that a restart would not mend
(a model that is refused) ends the daemon with that error. A process that an accelerator took with it is started again at once with
its models on the CPU, and once more, in good order, when the accelerator works again.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import secrets
import time
from collections.abc import Sequence
from typing import Protocol

from edged.core.backoff import Backoff
from edged.core.errors import ProcessNotStarted, ProtocolViolated, VisionFailed
from edged.daemon.accelerators import Accelerators
from edged.daemon.admission import Admission
from edged.daemon.child import VisionProcess
from edged.daemon.health import Health
from edged.daemon.trial import try_accelerator
from edged.infer.edgetpu import find_edgetpus
from edged.vision import ipc
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)

YOUNG_S = 10.0
"""A process that dies so soon after its first heartbeat has not shown that it works."""

RETRY_MIN_S = 0.1
RETRY_MAX_S = 30.0

HOPELESS_FIX = 'Mend it, or set delegate = "auto", which goes on without it.'

LOOK_S = 1.0
"""Between looks at which accelerators are connected, while one is missed."""


class Listener(Protocol):
    """Who wants to know."""

    async def on_report(self, report: ipc.Report) -> None:
        """The vision process said something; slowness here slows it down."""

    async def on_vision_lost(self) -> None:
        """The vision process died; nothing more comes from that run."""


class Supervisor:
    """Starts, watches, stops and restarts the vision process."""

    def __init__(self, settings: VisionSettings, admission: Admission, health: Health, listener: Listener) -> None:
        self._settings = settings
        self._admission = admission
        self._health = health
        self._listener = listener
        self._stop = asyncio.Event()
        self._beating_since_s: float | None = None
        self._accelerators = Accelerators(settings.models, random.random)
        self._fell = self._renewing = False
        self.restarts = 0

    def stop(self) -> None:
        """Let the vision process end in good order; ``run`` returns after it."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until stopped or every recording has ended; raises VisionFailed on a fault that no restart mends."""
        backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S, random.random)
        while self._settings.cameras:
            reason = await self._live()
            if reason is None:
                return
            await self._listener.on_vision_lost()
            if self._stop.is_set():
                return
            if self._renewing:
                continue
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

    async def _live(self) -> str | None:
        """One life of the vision process; ``None`` if it finished, else how it died."""
        self._beating_since_s = None
        self._fell = self._renewing = False
        self._health.vision_changed()
        finished = False
        try:
            admitted = await self._admitted()
            if admitted is None:
                return None
            settings = dataclasses.replace(admitted, run=secrets.token_hex(3), avoid=self._accelerators.avoid)
            async with VisionProcess(settings) as child:
                helpers = [
                    asyncio.create_task(self._stop_child(child)),
                    asyncio.create_task(self._mend_accelerators(child, settings)),
                ]
                try:
                    async for report in child.reports():
                        finished = isinstance(report, ipc.Finished)
                        await self._heed(report, child)
                except ProtocolViolated as error:
                    log.error("the vision process talks nonsense: %s", error)
                    child.kill()
                finally:
                    await _end(helpers)
        except ProcessNotStarted as error:
            return error.message
        finally:
            self._health.vision_changed()
        if finished and not self._renewing:
            return None
        if not finished and not self._stop.is_set():
            self._heed_fall(self._accelerators.on_death(child.death, time.monotonic()), child.exit)
        return child.exit

    async def _admitted(self) -> VisionSettings | None:
        """The settings, once their models may be loaded; ``None`` if stopped meanwhile."""
        trying, stopping = asyncio.create_task(self._admission.admit(self._settings)), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([trying, stopping], return_when=asyncio.FIRST_COMPLETED)
            return await trying if trying.done() else None
        finally:
            stopping.cancel()
            trying.cancel()
            await asyncio.wait([trying, stopping])

    async def _heed(self, report: ipc.Report, child: VisionProcess) -> None:
        self._check_names(report)
        match report:
            case ipc.Fault():
                raise VisionFailed(report.message, hint=report.hint)
            case ipc.AcceleratorFailed():
                fallen = self._accelerators.on_failed(report.model_name, report.message, time.monotonic())
                if not fallen:
                    raise VisionFailed(report.message, hint=report.hint)
                self._heed_fall(fallen, report.message, report.hint)
            case ipc.ModelServes():
                self._health.note_model(report)
                self._accelerators.on_serves(report.model_name, report.delegate, report.fallback, time.monotonic())
            case ipc.CameraEnded():
                # A recording is played once, however often the process dies on the others.
                cameras = {name: camera for name, camera in self._settings.cameras.items() if name != report.camera}
                self._settings = dataclasses.replace(self._settings, cameras=cameras)
            case ipc.Stats():
                self._on_heartbeat(report, child)
        await self._listener.on_report(report)

    def _on_heartbeat(self, stats: ipc.Stats, child: VisionProcess) -> None:
        now_s = time.monotonic()
        self._beating_since_s = self._beating_since_s or now_s
        self._health.note(stats, now_s)
        if self._health.stuck(now_s):
            log.error("frames wait and none is inferred: killing the vision process")
            child.kill_hung()

    def _heed_fall(self, fallen: Sequence[str], why: str, hint: str = "") -> None:
        """Models fell from their accelerator; raises VisionFailed where the configuration demands one that never worked."""
        self._fell |= bool(fallen)
        for name in fallen:
            if self._accelerators.is_hopeless(name):
                raise VisionFailed(f"model {name}: its accelerator cannot be used: {why}", hint=hint or HOPELESS_FIX)
            log.error("model %s: its accelerator failed (%s); on the CPU until it works again", name, why)

    async def _mend_accelerators(self, child: VisionProcess, settings: VisionSettings) -> None:
        """Try what fell in a process of its own; once it works, end this life of the vision process so that the next uses it."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._accelerators.avoid:
                continue
            self._accelerators.observe(find_edgetpus(settings.root), time.monotonic())
            outcomes = {}
            for name in self._accelerators.due(time.monotonic()):
                outcomes[name] = await try_accelerator(settings.models[name], settings.identities[name], settings.root)
                log.debug("model %s: trial of its accelerator: %s", name, outcomes[name] or "it works")
            if back := self._accelerators.on_tried(outcomes, time.monotonic()):
                log.warning("the accelerator of %s works again: going back to it", ", ".join(f"model {name}" for name in back))
                self._renewing = True
                await child.stop()
                return

    def _check_names(self, report: ipc.Report) -> None:
        """What comes from the vision process is input: names that we did not give it must not become topics or rows."""
        camera, model = getattr(report, "camera", None), getattr(report, "model_name", None)
        if camera is not None and camera not in self._settings.cameras:
            raise ProtocolViolated(f"{type(report).__name__} of a camera {camera!r} that is not there")
        if model is not None and model not in self._settings.models:
            raise ProtocolViolated(f"{type(report).__name__} of a model {model!r} that is not there")

    async def _stop_child(self, child: VisionProcess) -> None:
        await self._stop.wait()
        await child.stop()

    async def _stopped_within(self, delay_s: float) -> bool:
        try:
            async with asyncio.timeout(delay_s):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel ``tasks`` and wait until they have let go of what they hold; raises what one of them raised."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
