"""The one thread that owns the database connection, and how commits are grouped.

A commit costs an fsync and, on flash, about 20 kB of writes however small it is. The first write after a pause is committed at
once; those that come within 200 ms of a commit share the next one, unless one of them is urgent. Reads are answered between
commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from edged.core.errors import EdgedError, StoreFailed
from edged.store.db import mark_clean, open_database, primary_code, store_failed
from edged.store.room import Room
from edged.store.settings import StoreSettings

log = logging.getLogger(__name__)

GROUP_S = 0.2
GROUP_EVENTS = 100
IDLE_S = 60.0
"""How often age and reserve are looked after while nothing is written."""

ROOM_ATTEMPTS = 20
"""Each attempt drops twice as many; a transaction that does not fit then is larger than the store is meant to be."""


class StoreFull(StoreFailed):
    """The disk is full of something else: these events are lost. The store itself works on, and later events may fit again."""


T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[T]):
    """Work for the thread. ``events`` counts towards the size of a group; ``write`` wants a transaction (shared with others), and
    ``urgent`` wants it now."""

    work: Work[T]
    future: asyncio.Future[T]
    events: int
    write: bool
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """The last thing that the thread takes from its queue."""


class Writer:
    """The thread. ``upkeep`` runs at the end of every transaction; ``committed`` on the event loop after each that held events."""

    def __init__(
        self, path: Path, settings: StoreSettings, upkeep: Work[object], committed: Callable[[], None], *, idle_s: float = IDLE_S
    ) -> None:
        self._path = path
        self._settings = settings
        self._upkeep = upkeep
        self._committed = committed
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job[Any] | Stop] = queue.SimpleQueue()
        self._taken: list[Job[Any]] = []
        self._room: Room
        self._closed = False
        self._failure: StoreFailed | None = None
        self._opened = self._loop.create_future()
        self._ended = self._loop.create_future()
        self._thread = threading.Thread(target=self._main, name="store-writer", daemon=True)

    async def start(self) -> None:
        """Start the thread and open the database in it; raises StoreFailed."""
        self._thread.start()
        await asyncio.shield(self._opened)

    async def stop(self, deadline_s: float) -> None:
        """Commit what was handed in, close the database, end the thread; whoever waits after ``deadline_s`` gets StoreFailed."""
        self._closed = True
        self._jobs.put(Stop())
        try:
            await asyncio.wait_for(asyncio.shield(self._ended), deadline_s)
        except TimeoutError:
            log.error("event store %s: not closed within %g s, the rest is left behind", self._path, deadline_s)
            self._failure = self._failure or StoreFailed(f"event store {self._path} did not close within {deadline_s:g} s")
            self._abandon()

    async def write(self, work: Work[T], *, events: int, urgent: bool = False) -> T:
        """Run ``work`` in a transaction, with others; returns after the commit. Raises StoreFailed.

        ``urgent`` commits at once what was gathered so far. ``work`` may run more than once: a transaction that found no room is
        rolled back and tried again.
        """
        return await self._submit(Job(work, self._loop.create_future(), events, write=True, urgent=urgent))

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` between commits. Raises StoreFailed."""
        return await self._submit(Job(work, self._loop.create_future(), events=0, write=False))

    async def limit(self, settings: StoreSettings) -> None:
        """Keep the file to another size, in steps between which others are served. Raises StoreFailed."""

        def step(db: sqlite3.Connection) -> bool:
            self._room.limit(settings)
            try:
                return self._room.approach(db)
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_FULL:
                    raise
                return False  # a full disk: the next commit drops what it needs, and the next open shrinks the file

        while await self.read(step):
            pass

    async def _submit(self, job: Job[T]) -> T:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StoreFailed(f"event store {self._path} is closed")
        self._jobs.put(job)
        return await job.future

    # What follows runs in the thread.

    def _main(self) -> None:
        try:
            room = self._room = Room(self._path, self._settings)
            with contextlib.closing(open_database(self._path)) as db:
                room.settle(db)
                self._tell(self._opened, None)
                self._serve(db, room)
                mark_clean(db)
        except (sqlite3.Error, OSError) as error:
            self._failure = store_failed(self._path, error)
        except StoreFailed as error:
            self._failure = error
        finally:
            # Also where the thread dies of a fault of its own: nobody may be left waiting for it.
            if self._failure is None and not self._closed:
                self._failure = StoreFailed(f"event store {self._path}: the writer died")
            self._tell(self._opened, self._failure)
            self._abandon()
            self._tell(self._ended, None)

    def _serve(self, db: sqlite3.Connection, room: Room) -> None:
        last_commit_s = upkeep_s = time.monotonic() - max(GROUP_S, self._idle_s)
        while True:
            if time.monotonic() >= upkeep_s + self._idle_s:
                self._commit(db, room)
                room.replenish()
                upkeep_s = time.monotonic()
            try:
                job = self._jobs.get(timeout=max(0.0, upkeep_s + self._idle_s - time.monotonic()))
            except queue.Empty:
                continue
            if isinstance(job, Stop):
                return
            if not job.write:
                self._read(db, job)
                continue
            stop = self._gather(db, job, until_s=last_commit_s + GROUP_S)
            self._commit(db, room)
            last_commit_s = time.monotonic()
            if stop:
                return

    def _gather(self, db: sqlite3.Connection, first: Job[Any], until_s: float) -> bool:
        """Take ``first`` and what arrives until then (or is there already) as the next group; ``True`` if it is the last."""
        self._taken = [first]
        events, urgent = first.events, first.urgent
        while events < GROUP_EVENTS:
            try:
                job = self._jobs.get(timeout=0.0 if urgent else max(0.0, until_s - time.monotonic()))
            except queue.Empty:
                return False
            if isinstance(job, Stop):
                return True
            if job.write:
                self._taken.append(job)
                events, urgent = events + job.events, urgent or job.urgent
            else:
                self._read(db, job)
        return False

    def _read(self, db: sqlite3.Connection, job: Job[Any]) -> None:
        self._taken.append(job)
        try:
            result = job.work(db)
        except StoreFailed as error:
            self._tell(job.future, error)
        else:
            self._tell(job.future, None, result)
        self._taken.remove(job)

    def _commit(self, db: sqlite3.Connection, room: Room) -> None:
        """One transaction for the jobs taken (or none: upkeep alone); where there is no room for it, the oldest events go."""
        for attempt in range(ROOM_ATTEMPTS):
            try:
                self._settle(self._transact(db, self._taken))
                if attempt:
                    self._relieve(room.restore, db)
                return
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_FULL:
                    raise
            if not self._relieve(partial(room.make, attempt=attempt), db):
                break
        for job in self._taken:
            self._tell(job.future, StoreFull(f"event store {self._path}: no room for more", hint="free space on the disk"))
        self._taken = []

    @staticmethod
    def _relieve(measure: Work[bool | None], db: sqlite3.Connection) -> bool | None:
        """Take a measure against want of room; ``None`` where there is none for the measure itself."""
        try:
            return measure(db)
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_FULL:
                raise
            return None

    def _transact(self, db: sqlite3.Connection, jobs: Iterable[Job[Any]]) -> list[Any]:
        db.execute("BEGIN IMMEDIATE")
        try:
            results = [job.work(db) for job in jobs]
            self._upkeep(db)
            db.execute("COMMIT")
        finally:
            if db.in_transaction:  # SQLite itself has rolled back after some errors
                db.execute("ROLLBACK")
        return results

    def _settle(self, results: list[Any]) -> None:
        for job, result in zip(self._taken, results, strict=True):
            self._tell(job.future, None, result)
        if any(job.events for job in self._taken):
            self._call(self._committed)
        self._taken = []

    def _abandon(self) -> None:
        """Fail whatever was handed in and will not be done."""
        left = self._taken
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if isinstance(job, Job):
                left.append(job)
        for job in left:
            self._tell(job.future, self._failure or StoreFailed(f"event store {self._path} is closed"))
        self._call(self._committed)  # wakes whoever waits for the outbox to grow, so that it learns of the failure

    def _tell(self, future: asyncio.Future[Any], error: EdgedError | None, result: object = None) -> None:
        def settle() -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self._call(settle)

    def _call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function)
