"""Keeps a vision process running.

A process that lived is started again at once, one that dies young after a growing delay. A fault that a restart would not mend
(a model that is refused) ends the daemon with that error.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import secrets
import time
from typing import Protocol

from edged.core.backoff import Backoff
from edged.core.errors import ProtocolViolated, VisionFailed
from edged.daemon.child import VisionProcess
from edged.daemon.health import Health
from edged.vision import ipc
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)

YOUNG_S = 10.0
"""A process that dies younger than this has not shown that it works."""

RETRY_MIN_S = 0.1
RETRY_MAX_S = 30.0


class Listener(Protocol):
    """Who wants to know."""

    async def on_report(self, report: ipc.Report) -> None:
        """The vision process said something; slowness here slows it down."""

    async def on_vision_lost(self, reason: str) -> None:
        """The vision process died; nothing more comes from that run."""


class Supervisor:
    """Starts, watches, stops and restarts the vision process."""

    def __init__(self, settings: VisionSettings, health: Health, listener: Listener) -> None:
        self._settings = settings
        self._health = health
        self._listener = listener
        self._stop = asyncio.Event()
        self.pid: int | None = None
        self.restarts = 0

    def stop(self) -> None:
        """Let the vision process end in good order; ``run`` returns after it."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until stopped or every recording has ended; raises VisionFailed on a fault that no restart mends."""
        backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S, random.random)
        while True:
            started = time.monotonic()
            reason = await self._run_once()
            if reason is None or self._stop.is_set():
                return
            self.restarts += 1
            lived_s = time.monotonic() - started
            if lived_s > YOUNG_S:
                backoff.reset()
            delay_s = 0.0 if lived_s > YOUNG_S else backoff.next_delay_s()
            log.error("the vision process ended (%s) after %.1f s: starting it again in %.1f s", reason, lived_s, delay_s)
            await self._listener.on_vision_lost(reason)
            try:
                async with asyncio.timeout(delay_s):
                    await self._stop.wait()
                    return
            except TimeoutError:
                continue

    async def _run_once(self) -> str | None:
        """One life of the vision process; ``None`` if it finished, else how it died."""
        settings = dataclasses.replace(self._settings, run=secrets.token_hex(3))
        self._health.vision_started(time.monotonic())
        finished = False
        async with VisionProcess(settings) as child:
            self.pid = child.pid
            stopper = asyncio.create_task(self._stop_child(child))
            try:
                async for report in child.reports():
                    finished = isinstance(report, ipc.Finished)
                    await self._heed(report, child)
            except ProtocolViolated as error:
                log.error("the vision process talks nonsense: %s", error)
                child.kill()
            finally:
                self.pid = None
                stopper.cancel()
        return None if finished else child.exit

    async def _heed(self, report: ipc.Report, child: VisionProcess) -> None:
        if isinstance(report, ipc.Fault):
            raise VisionFailed(report.message, hint=report.hint)
        if isinstance(report, ipc.Stats):
            now = time.monotonic()
            self._health.note(report, now)
            if self._health.stuck(now):
                log.error("frames wait and none is inferred: killing the vision process")
                child.kill()
        await self._listener.on_report(report)

    async def _stop_child(self, child: VisionProcess) -> None:
        await self._stop.wait()
        await child.stop()
