"""What the service manager hears while the daemon serves: that it makes progress, and how it is, in one line."""

from __future__ import annotations

import asyncio
import time

from edged.daemon.observation import Parts
from edged.daemon.systemd import Notifier
from edged.store.outbox import OutboxCounts

INTERVAL_S = 5.0


class Status:
    """Feeds the watchdog and keeps the status line."""

    def __init__(self, parts: Parts, notifier: Notifier) -> None:
        self._parts = parts
        self._notifier = notifier

    async def run(self) -> None:
        """At its own pace, for ever; raises StoreFailed. That this runs shows the event loop alive; the rest is asked."""
        interval_s = min(INTERVAL_S, (self._notifier.watchdog_s or 2 * INTERVAL_S) / 2)
        while True:
            counts = await self._parts.store.counts()  # waits for the store's thread: a wedged disk keeps the watchdog unfed
            if not self._parts.health.stuck(time.monotonic()):
                self._notifier.watchdog()
            self._notifier.status(self._line(counts))
            await asyncio.sleep(interval_s)

    def _line(self, counts: OutboxCounts) -> str:
        said, reloader = [f"{counts.produced} events"], self._parts.reloader
        if publisher := self._parts.publishing.publisher:
            said += [f"broker {'connected' if publisher.connected else 'away'}", f"{counts.queued} queued"]
        said.append(f"{self._parts.supervisor.restarts} vision restarts")
        if lost := self._parts.recorder.lost:
            said.append(f"{lost} events lost to a full disk")
        if reloader and reloader.status:
            said.append(reloader.status)
        return ", ".join(said)
