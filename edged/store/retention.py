"""What is dropped, and when: always the oldest, always counted if the broker has not acknowledged it."""

from __future__ import annotations

import sqlite3

from edged.core.clock import ClockReading
from edged.store.settings import StoreSettings

ROWS_PER_SWEEP = 200
"""Rows looked at for their age in one sweep: many more than a transaction brings in, so that the sweep keeps up."""

ROOM_FRACTION = 100
"""Making room drops one event in so many, so that it is seldom and one transaction stays short."""

MS_PER_DAY = 86_400_000


def sweep(db: sqlite3.Connection, settings: StoreSettings, reading: ClockReading) -> int:
    """Drop what is beyond the bounds in number and age; returns how many undelivered events were dropped with it."""
    first, last = _range(db)
    boundary = max(last - settings.max_events, _aged(db, first, settings.max_age_days, reading))
    return drop_oldest(db, boundary) if boundary >= first else 0


def drop_oldest(db: sqlite3.Connection, boundary: int) -> int:
    """Drop events up to number ``boundary``; returns how many of them were undelivered."""
    undelivered = db.execute("DELETE FROM outbox WHERE seq <= ?", (boundary,)).rowcount
    db.execute("DELETE FROM event WHERE seq <= ?", (boundary,))
    if undelivered:
        db.execute("UPDATE ledger SET dropped = dropped + ?", (undelivered,))
    return undelivered


def drop_some(db: sqlite3.Connection, at_least: int) -> int | None:
    """Drop the oldest hundredth, or this many, in a transaction of its own; returns how many were undelivered, ``None`` if nothing
    is left."""
    first, last = _range(db)
    if last < first:
        return None
    db.execute("BEGIN IMMEDIATE")
    try:
        undelivered = drop_oldest(db, min(last, first - 1 + max(at_least, (last - first + 1) // ROOM_FRACTION)))
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return undelivered


def _range(db: sqlite3.Connection) -> tuple[int, int]:
    """First and last number; (1, 0) for an empty table. Numbers have no gaps."""
    # Two subqueries: SQLite answers each from an end of the tree, but min and max of one query by reading the whole table.
    first, last = db.execute("SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)").fetchone()
    return (1, 0) if first is None else (first, last)


def _aged(db: sqlite3.Connection, first: int, max_age_days: float, reading: ClockReading) -> int:
    """The number up to which events are too old; ``first - 1`` if none is.

    An age lies between two readings of a synchronised clock. A device that booted without a network stamps 1970: such events are
    not 50 years old. They go when an event after them goes.
    """
    boundary = first - 1
    if reading.quality != "synchronised":
        return boundary
    oldest_ms = reading.unix_ns // 1_000_000 - round(max_age_days * MS_PER_DAY)
    rows = db.execute("SELECT seq, unix_ms, clock FROM event ORDER BY seq LIMIT ?", (ROWS_PER_SWEEP,))
    for seq, unix_ms, clock in rows:
        if clock != "synchronised":
            continue
        if unix_ms >= oldest_ms:
            break
        boundary = seq
    return boundary
