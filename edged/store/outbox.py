"""Events that the broker has not acknowledged, and the ledger of what became of all others."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field

from edged.core.clock import ClockReading
from edged.core.errors import StoreFailed
from edged.core.event import ClockQuality, Event, EventId
from edged.store import codec
from edged.store.events import Identity


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """What became of the events that were meant for the broker, since the store was made.

    ``produced`` == ``delivered`` + ``dropped`` + ``queued``. ``dropped`` went to retention before the broker had acknowledged them.
    """

    produced: int
    delivered: int
    dropped: int
    queued: int


@dataclass(slots=True)
class Pending:
    """The next events for the broker, oldest first; ``unreadable`` rows among them, by number, with what is wrong."""

    events: list[Event] = field(default_factory=list)
    unreadable: dict[int, StoreFailed] = field(default_factory=dict)


def read_pending(db: sqlite3.Connection, identity: Identity, after_seq: int, limit: int) -> Pending:
    """At most ``limit`` queued events with a number above ``after_seq``."""
    rows = db.execute(
        "SELECT seq, unix_ms, clock, kind, body FROM outbox JOIN event USING (seq) WHERE seq > ? ORDER BY seq LIMIT ?",
        (after_seq, limit),
    )
    pending = Pending()
    for seq, unix_ms, clock, kind, body in rows:
        try:
            occurrence = codec.decode(kind, body, f"event {seq}")
        except StoreFailed as error:
            pending.unreadable[seq] = error
        else:
            pending.events.append(Event(EventId(identity.device, identity.epoch, seq), unix_ms, clock, occurrence))
    return pending


@dataclass(frozen=True, slots=True)
class Queued:
    """When the event happened that waits longest for the broker, by what clock."""

    unix_ms: int
    clock: ClockQuality

    def age_s(self, now: ClockReading) -> float | None:
        """How long ago; ``None`` where the clock was set in between, so that nobody can tell."""
        if self.clock != now.quality:
            return None
        return max(0.0, now.unix_ns / 1e9 - self.unix_ms / 1e3)


def read_oldest(db: sqlite3.Connection) -> Queued | None:
    """The first of the outbox."""
    row = db.execute("SELECT unix_ms, clock FROM outbox JOIN event USING (seq) ORDER BY seq LIMIT 1").fetchone()
    return Queued(*row) if row else None


def settle_delivered(db: sqlite3.Connection, seqs: Collection[int]) -> None:
    """Take acknowledged events out of the outbox; numbers that are not there (any more) count nothing."""
    if removed := _remove(db, seqs):
        db.execute("UPDATE ledger SET delivered = delivered + ?", (removed,))


def settle_dropped(db: sqlite3.Connection, seqs: Collection[int]) -> None:
    """Take events out of the outbox that will never be delivered."""
    db.execute("UPDATE ledger SET dropped = dropped + ?", (_remove(db, seqs),))


def read_counts(db: sqlite3.Connection) -> OutboxCounts:
    """The ledger, and the rows of the outbox really counted."""
    row = db.execute("SELECT produced, delivered, dropped, (SELECT count(*) FROM outbox) FROM ledger").fetchone()
    return OutboxCounts(*row)


def _remove(db: sqlite3.Connection, seqs: Collection[int]) -> int:
    return sum(db.execute("DELETE FROM outbox WHERE seq = ?", (seq,)).rowcount for seq in seqs)
