"""From occurrences to durable events, in order.

Occurrences wait in a bounded queue; when the store is slow the queue fills, the vision process's reports wait, and nothing is
lost. Sinks get events only after their commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from edged.core.event import Event, Occurrence
from edged.store.writer import StoreFull

log = logging.getLogger(__name__)

MAX_WAITING = 1000
MAX_BATCH = 100
"""Occurrences in one transaction."""


class EventStore(Protocol):
    """What the recorder needs of the store."""

    async def append(self, occurrences: Sequence[Occurrence]) -> tuple[Event, ...]:
        """Commit; returns the events with their ids."""

    async def close_interrupted(self, at_ns: int) -> tuple[Event, ...]:
        """Commit the end of every object that is still open."""


class Sink(Protocol):
    """Who else wants the events."""

    def on_event(self, event: Event) -> None:
        """An event was committed; OSError says that it could not be passed on."""


class Recorder:
    """One task that writes; ``put`` from any other.

    ``lost`` counts the events that a full disk took, which goes on while ``full``; ``committed`` counts the others by kind.
    """

    def __init__(self, store: EventStore, sinks: Sequence[Sink]) -> None:
        self._store = store
        self._sinks = sinks
        self._queue: asyncio.Queue[Occurrence] = asyncio.Queue(MAX_WAITING)
        self._failing: list[Sink] = []
        self.full = False
        self.lost = 0
        self.committed: Counter[str] = Counter()

    def redirect(self, sinks: Sequence[Sink]) -> None:
        """Events that are committed from now on go to these sinks."""
        self._sinks = sinks
        self._failing.clear()

    async def put(self, occurrence: Occurrence) -> None:
        """Hand over; waits while the queue is full."""
        await self._queue.put(occurrence)

    async def run(self) -> None:
        """Write what comes, for ever; raises StoreFailed if the store cannot be written any more."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                self._tell(await self._store.append(batch))
                self._recover()
            except StoreFull as error:
                self._lose(len(batch), error)
            for _ in batch:
                self._queue.task_done()

    async def drain(self) -> None:
        """Wait until everything handed over is committed."""
        await self._queue.join()

    async def close_interrupted(self, at_ns: int) -> None:
        """After a process died: commit what it had handed over, then end the objects that it left open."""
        await self.drain()
        try:
            self._tell(await self._store.close_interrupted(at_ns))
        except StoreFull as error:
            self._lose(0, error)  # they stay open in the store, and are closed the next time

    @property
    def waiting(self) -> int:
        """Occurrences that wait for their commit, besides those that are being committed."""
        return self._queue.qsize()

    def _lose(self, count: int, error: StoreFull) -> None:
        self.lost += count
        if not self.full:
            self.full = True
            log.error("events are lost until there is room: %s", error)

    def _recover(self) -> None:
        if self.full:
            self.full = False
            log.warning("the store takes events again; %d were lost to the full disk since the start", self.lost)

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self.committed[event.kind] += 1
            for sink in self._sinks:
                self._pass_on(event, sink)

    def _pass_on(self, event: Event, sink: Sink) -> None:
        name = type(sink).__name__
        try:
            sink.on_event(event)
        except OSError as error:
            if sink not in self._failing:
                self._failing.append(sink)
                log.error("%s cannot write: %s; what it misses is in the store", name, error.strerror)
        else:
            if sink in self._failing:
                self._failing.remove(sink)
                log.warning("%s writes again", name)
