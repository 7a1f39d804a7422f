"""Tells whoever asks, and the broker without being asked, how the device is."""

from __future__ import annotations

import asyncio
import contextlib

from edged.daemon.condition import Condition
from edged.daemon.observation import Observation, Observer
from edged.daemon.publishing import Publishing
from edged.daemon.report import report
from edged.mqtt.health import HealthPayload
from edged.mqtt.wire import encode
from edged.web.server import Answer, Routes

CHECK_S = 5.0
"""Between looks, while nothing is heard."""

SETTLE_S = 0.2
"""From something that happened to the look at it: what comes together is told together, and what comes often costs little."""

INTERVAL_S = 30.0
"""Between reports while there is no broker whose settings say otherwise."""


class Vitals:
    """``run`` tells the broker; ``routes`` are for those who ask over HTTP."""

    def __init__(self, observer: Observer, publishing: Publishing) -> None:
        self._observer = observer
        self._publishing = publishing
        self._condition = Condition()
        self._changed = False
        self._reported: Observation | None = None
        self._happened = asyncio.Event()
        self._page: tuple[Observation | None, bytes] = (None, b"")

    def happened(self) -> None:
        """Something that matters to health may have changed: look now."""
        self._happened.set()

    async def run(self) -> None:
        """Look and tell, for ever; raises StoreFailed."""
        while True:
            observation = await self._look()
            if self._changed or self._is_due(observation):
                self._publishing.health(report(observation, self._reported, self._condition))
                self._reported, self._changed = observation, False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_S):
                    await self._happened.wait()
                await asyncio.sleep(SETTLE_S)
                self._happened.clear()
                self._observer.stale()

    @property
    def routes(self) -> Routes:
        """What a GET is answered by."""
        return {"/metrics": self._metrics, "/healthz": self._healthz}

    async def _look(self) -> Observation:
        observation = await self._observer.observe()
        self._changed |= self._condition.note(observation)
        return observation

    def _is_due(self, observation: Observation) -> bool:
        if self._reported is None:
            return True
        publisher = self._publishing.publisher
        interval_s = publisher.health_interval_s if publisher else INTERVAL_S
        return observation.clock.monotonic_ns - self._reported.clock.monotonic_ns > (interval_s - CHECK_S / 2) * 1e9

    async def health(self) -> HealthPayload:
        """How the device is now; raises StoreFailed."""
        return report(await self._look(), self._reported, self._condition)

    async def _healthz(self) -> Answer:
        health = await self.health()
        return Answer(encode(health) + b"\n", "application/json", 503 if health.status == "failing" else 200)

    async def _metrics(self) -> Answer:
        from edged.daemon.metrics import families  # prometheus_client is worth its memory only to those who scrape
        from edged.web.exposition import CONTENT_TYPE, render

        observation = await self._look()
        if self._page[0] is not observation:
            self._page = (observation, render(families(observation, self._condition)))
        return Answer(self._page[1], CONTENT_TYPE)
