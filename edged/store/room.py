"""Room for the next transaction, when the file has reached its size or the disk is full.

Both show as SQLITE_FULL, and both are answered by dropping the oldest events; on a full disk the reserve is used first.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from edged.store import retention
from edged.store.reserve import Reserve
from edged.store.settings import StoreSettings

log = logging.getLogger(__name__)

BYTES_PER_MB = 1024 * 1024

MIN_DROP = 10
"""Events dropped at least at a time; where that is not enough, twice as many the next time."""

GROUP_BYTES = BYTES_PER_MB
"""More than a group of events takes. A file that has this left and finds no room is on a full disk; one that has not is full
itself, keeps its size, and uses the pages of dropped rows again."""


class Room:
    """Keeps the database below its size in pages. Used by the writer's thread, outside transactions."""

    def __init__(self, path: Path, settings: StoreSettings) -> None:
        self._path = path
        self.limit(settings)
        self._reserve = Reserve(path)
        self._short = False
        self._owed = False  # the reserve was given up and is to be put aside again
        self._reserve.give_up()  # opening writes a little, which a full disk would refuse

    def limit(self, settings: StoreSettings) -> None:
        """Take on a bound; ``settle`` or ``approach`` makes the file keep it."""
        self._limit_bytes = settings.max_mb * BYTES_PER_MB

    def settle(self, db: sqlite3.Connection) -> None:
        """After open: shrink a file that is above its bound (which was lowered), set the bound, put the reserve aside."""
        while self.approach(db):
            pass

    def approach(self, db: sqlite3.Connection) -> bool:
        """One step of ``settle``, so that others need not wait for all of them; False after the last.

        Raises sqlite3.OperationalError (SQLITE_FULL) where the disk is too full to drop anything.
        """
        if _file_bytes(db) > self._limit_bytes:
            self._reserve.give_up()  # dropping writes to the journal first
            if retention.drop_some(db, MIN_DROP) is not None:
                _shrink(db)
                return True
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
        db.execute(f"PRAGMA max_page_count = {self._limit_bytes // page_bytes}")
        self.replenish()
        return False

    def make(self, db: sqlite3.Connection, attempt: int) -> bool:
        """Give up the reserve, or drop the oldest events, the more the higher ``attempt`` (from 0), after a transaction failed for
        want of room; ``False`` if there is nothing left to drop.

        Raises sqlite3.OperationalError (SQLITE_FULL) where the disk is so full that nothing can be dropped either.
        """
        disk_is_full = _file_bytes(db) < self._limit_bytes - GROUP_BYTES
        if disk_is_full:
            self._say(short=True)
        reserve = self._reserve.give_up()
        self._owed |= reserve
        _checkpoint(db)  # a journal that could not be copied for want of space holds what the dropping needs
        if disk_is_full and reserve:
            return True
        dropped = retention.drop_some(db, MIN_DROP << attempt) is not None
        if disk_is_full:
            _shrink(db)
        return dropped

    def restore(self, db: sqlite3.Connection) -> None:
        """Put the reserve aside again after ``make`` gave it up, in exchange for the oldest events: without it the day would come
        on which nothing can be dropped. Not for more than a transaction may have taken: then somebody else was quicker.

        Raises sqlite3.OperationalError (SQLITE_FULL) where not even that is possible.
        """
        owed, self._owed = self._owed, False
        if self._reserve.hold() or not owed:
            return
        _checkpoint(db)
        least_bytes = _file_bytes(db) - GROUP_BYTES
        count = MIN_DROP
        while not self._reserve.hold() and _file_bytes(db) > least_bytes and retention.drop_some(db, count) is not None:
            _shrink(db)
            count *= 2

    def replenish(self) -> None:
        """Look whether the reserve is there; says once when the disk is short of it and once when it is not any more."""
        self._say(short=not self._reserve.hold())

    def _say(self, *, short: bool) -> None:
        if short and not self._short:
            log.error("event store %s: the disk is full; the oldest events are dropped to make room", self._path)
        elif self._short and not short:
            log.warning("event store %s: the disk has room again", self._path)
        self._short = short


def _file_bytes(db: sqlite3.Connection) -> int:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
    return int(pages * page_bytes)


def _shrink(db: sqlite3.Connection) -> None:
    # The pragma steps once a page and yields no columns: execute() would stop after the first page.
    db.executescript("PRAGMA incremental_vacuum")
    _checkpoint(db)


def _checkpoint(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
