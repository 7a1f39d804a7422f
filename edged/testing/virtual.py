"""Time that passes when a test says so: what waits for minutes or days is tested at once, and the same way each time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any

from edged.core.clock import ClockReading
from edged.core.event import ClockQuality

SETTLE_TURNS = 200
"""Of the event loop, for everything that can go on without time passing; chains of callbacks in edged are far shorter."""


class VirtualTime:
    """``clock`` and ``sleep`` are handed to what is tested; time stands still but in ``run_until`` and ``run_for``."""

    def __init__(self, unix_s: float = 1_800_000_000.0, quality: ClockQuality = "synchronised") -> None:
        self.now_s = 1000.0
        self.unix_ahead_s = unix_s - self.now_s
        self.quality: ClockQuality = quality
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def clock(self) -> ClockReading:
        """Both clocks now."""
        return ClockReading(round(self.now_s * 1e9), round((self.now_s + self.unix_ahead_s) * 1e9), self.quality)

    async def sleep(self, seconds: float) -> None:
        """As ``asyncio.sleep``."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + max(seconds, 0.0), next(self._numbers), future))
        await future

    async def settle(self) -> None:
        """Let everything happen that can happen now."""
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    async def run_until(self, condition: Callable[[], bool], within_s: float = 86_400.0) -> None:
        """Let time pass until ``condition``; AssertionError if that takes longer, or if nobody waits for time any more."""
        end_s = self.now_s + within_s
        await self.settle()
        while not condition():
            assert self._wake_next(end_s), f"it did not come to be within {within_s:g} s"
            await self.settle()

    async def run_for(self, seconds: float) -> None:
        """Let so much time pass."""
        end_s = self.now_s + seconds
        await self.settle()
        while self._wake_next(end_s):
            await self.settle()
        self.now_s = end_s

    def _wake_next(self, end_s: float) -> bool:
        while self._sleepers and self._sleepers[0][2].done():  # cancelled
            heapq.heappop(self._sleepers)
        if not self._sleepers or self._sleepers[0][0] > end_s:
            return False
        due_s, _, future = heapq.heappop(self._sleepers)
        self.now_s = max(self.now_s, due_s)
        future.set_result(None)
        return True


class InlineExecutor(ThreadPoolExecutor):
    """Runs what is meant for a thread at once, where it is submitted: for ``loop.set_default_executor`` beside ``VirtualTime``."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it; its outcome."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future
