"""Chunks between arrival and disk: written a few at a time, since each time is one flush of the medium."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edged.ota.part import Part
from edged.ota.transfer import WINDOW, Transfer

ENOUGH = WINDOW // 2
"""Half of the window is written while the other half is on its way."""

Progress = Callable[[int, int], None]
"""Chunks that are there, and how many there are."""


class Shelf:
    """One writing at a time."""

    def __init__(self, part: Part, transfer: Transfer, progress: Progress) -> None:
        self._part = part
        self._transfer = transfer
        self._progress = progress
        self._arrived: list[tuple[int, bytes]] = []
        self._writing: asyncio.Task[None] | None = None
        self._written: list[int] = []

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """What to wait for."""
        return set() if self._writing is None else {self._writing}

    def add(self, number: int, chunk: bytes) -> None:
        """A chunk that was found right."""
        self._arrived.append((number, chunk))

    def begin(self, *, urgent: bool) -> None:
        """Write what is there, if nothing is being written and it is enough, or nothing else is to be waited for."""
        if self._writing is None and self._arrived and (urgent or len(self._arrived) >= ENOUGH):
            chunks, self._arrived = self._arrived, []
            self._written = [number for number, _ in chunks]
            self._writing = asyncio.create_task(asyncio.to_thread(self._part.store, chunks))

    def settle(self) -> None:
        """Count what was written until now; raises UpdateFailed if that failed."""
        if self._writing is not None and self._writing.done():
            writing, self._writing = self._writing, None
            writing.result()
            self._transfer.on_stored(self._written)
            self._progress(self._transfer.held, self._transfer.count)

    async def finish(self) -> None:
        """Write all that is there."""
        self.begin(urgent=True)
        while self._writing is not None:
            await asyncio.wait({self._writing})
            self.settle()
            self.begin(urgent=True)
