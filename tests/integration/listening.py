"""Who hears what a supervisor passes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edged.vision import ipc


class Listener:
    """Remembers what it heard, and lets others wait for it."""

    def __init__(self) -> None:
        self.heard: list[ipc.Report] = []
        self.lost: list[str] = []
        self._news = asyncio.Condition()

    async def on_report(self, report: ipc.Report) -> None:
        async with self._news:
            self.heard.append(report)
            self._news.notify_all()

    async def on_vision_lost(self, how: str) -> None:
        async with self._news:
            self.lost.append(how)
            self._news.notify_all()

    async def until(self, met: Callable[[list[ipc.Report]], bool]) -> None:
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: met(self.heard))

    def of(self, kind: type[ipc.Report]) -> list[ipc.Report]:
        return [report for report in self.heard if isinstance(report, kind)]
