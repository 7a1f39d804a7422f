"""The event store, as the rest of the main process sees it.

Promises: what ``append`` returned is on the medium; an event and its outbox row are committed together; ``produced == delivered +
dropped + queued`` in every committed state; the disk it takes is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from edged.core.clock import ClockReading
from edged.core.event import Event, Occurrence
from edged.store import events, outbox, retention
from edged.store.events import Encoded, Identity
from edged.store.outbox import OutboxCounts, Queued
from edged.store.settings import StoreSettings
from edged.store.writer import StoreFull, Writer

log = logging.getLogger(__name__)

APPENDS_WAITING = 256
"""Appends that may wait for their commit; the next caller waits before its events are taken. Nothing is dropped here."""

FULL_RETRY_S = 1.0
"""How long an acknowledgement waits for room on a full disk before it looks again."""

CLOSE_S = 5.0
"""A commit takes some tens of milliseconds; a card that needs longer than this for the last ones is failing."""


class Store:
    """Opened by ``async with Store.open(...)``. All methods belong to the event loop that opened it and raise StoreFailed."""

    def __init__(
        self, path: Path, device: str, settings: StoreSettings, clock: Callable[[], ClockReading], *, publish: bool
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._publish = publish
        self._identity = Identity(device, "")
        self._grew = asyncio.Event()
        self._slots = asyncio.Semaphore(APPENDS_WAITING)
        self._writer = Writer(path, settings, self._sweep, self._grew.set)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, device: str, settings: StoreSettings, clock: Callable[[], ClockReading], *, publish: bool
    ) -> AsyncIterator[Store]:
        """Open or make the database at ``path``, in a directory that exists.

        ``clock`` is called in the writer's thread at each commit. With ``publish`` false nothing is put in the outbox.
        """
        store = cls(path, device, settings, clock, publish=publish)
        await store._writer.start()
        try:
            store._identity = Identity(device, await store._writer.read(events.read_epoch))
            yield store
        finally:
            await store._writer.stop(CLOSE_S)

    @property
    def epoch(self) -> str:
        """Eight hex digits, drawn when the database was made."""
        return self._identity.epoch

    async def configure(self, settings: StoreSettings, *, publish: bool) -> None:
        """Keep to other bounds from now on, dropping what is beyond them; ``publish`` concerns events to come."""
        self._publish = publish
        if settings != self._settings:
            self._settings = settings
            await self._writer.limit(settings)
            with contextlib.suppress(StoreFull):  # the bounds hold all the same, and the next commit finds room for its sweep
                await self._writer.write(lambda db: None, events=0)  # every transaction ends with a sweep

    async def append(self, occurrences: Sequence[Occurrence]) -> tuple[Event, ...]:
        """Store occurrences, in their order; returns after they are committed."""
        encoded = [Encoded.of(occurrence) for occurrence in occurrences]
        if not encoded:
            return ()

        def work(db: sqlite3.Connection) -> tuple[Event, ...]:
            return events.insert(db, encoded, self._identity, self._clock(), publish=self._publish)

        async with self._slots:
            return await self._writer.write(work, events=len(encoded))

    async def close_interrupted(self, at_ns: int) -> tuple[Event, ...]:
        """Let every object leave that appeared before the process that followed it died; ``at_ns`` is CLOCK_MONOTONIC now."""

        def work(db: sqlite3.Connection) -> tuple[Event, ...]:
            left = events.interrupted(db, at_ns)
            return events.insert(db, left, self._identity, self._clock(), publish=self._publish)

        return await self._writer.write(work, events=1)

    async def serving(self) -> dict[str, tuple[str, str]]:
        """The digest and the delegate of the last model that began to serve, by the name it has in the configuration."""
        return await self._writer.read(events.read_serving)

    async def pending(self, after_seq: int, limit: int) -> list[Event]:
        """At most ``limit`` events with a number above ``after_seq`` that wait for the broker, oldest first.

        Rows that cannot be read are dropped, counted and said, so that they do not hold up those behind them.
        """
        found = await self._writer.read(partial(outbox.read_pending, identity=self._identity, after_seq=after_seq, limit=limit))
        if not found.unreadable:
            return found.events
        for error in found.unreadable.values():
            log.error("event store: dropped: %s", error)
        await self._settle(partial(outbox.settle_dropped, seqs=tuple(found.unreadable)), urgent=False)
        return found.events or await self.pending(after_seq, limit)

    async def acknowledge(self, seqs: Collection[int], *, urgent: bool = False) -> None:
        """Take events out of the outbox that the broker has acknowledged; returns after that is committed.

        ``urgent`` does not wait for others to share the commit, and lets what waits for it already be committed as well. On a full
        disk it waits for room: an acknowledgement that is not noted would be published again.
        """
        await self._settle(partial(outbox.settle_delivered, seqs=tuple(seqs)), urgent=urgent)

    async def wait_for_outbox(self) -> None:
        """Return when events were committed since this last returned. For one consumer, who looks at ``pending`` first."""
        await self._grew.wait()
        self._grew.clear()

    async def counts(self) -> OutboxCounts:
        """What became of the events that were meant for the broker."""
        return await self._writer.read(outbox.read_counts)

    async def oldest_queued(self) -> Queued | None:
        """Of the event that waits longest for the broker; ``None`` if none waits."""
        return await self._writer.read(outbox.read_oldest)

    async def _settle(self, work: Callable[[sqlite3.Connection], None], *, urgent: bool) -> None:
        while True:
            try:
                await self._writer.write(work, events=0, urgent=urgent)
            except StoreFull:
                await asyncio.sleep(FULL_RETRY_S)
            else:
                return

    def _sweep(self, db: sqlite3.Connection) -> None:
        retention.sweep(db, self._settings, self._clock())
