"""Events in the database. Every function runs in the writer's thread, inside the transaction of its caller."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from edged.core.clock import ClockReading
from edged.core.errors import StoreFailed
from edged.core.event import Event, EventId, ModelChanged, ObjectAppeared, ObjectLeft, Occurrence
from edged.store import codec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the ids of a store's events begin with."""

    device: str
    epoch: str


def read_epoch(db: sqlite3.Connection) -> str:
    """The epoch that was drawn when the database was made."""
    (epoch,) = db.execute("SELECT epoch FROM ledger").fetchone()
    return str(epoch)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An occurrence with its stored form."""

    occurrence: Occurrence
    kind: str
    body: bytes

    @classmethod
    def of(cls, occurrence: Occurrence) -> Encoded:
        """Encode; raises StoreFailed where a value does not fit its field."""
        return cls(occurrence, *codec.encode(occurrence))


def insert(
    db: sqlite3.Connection, encoded: Sequence[Encoded], identity: Identity, reading: ClockReading, *, publish: bool
) -> tuple[Event, ...]:
    """Store occurrences in their order, each with its outbox row (if ``publish``), and note which objects are in view."""
    (last,) = db.execute(
        "UPDATE ledger SET last_seq = last_seq + ?, produced = produced + ? RETURNING last_seq",
        (len(encoded), len(encoded) if publish else 0),
    ).fetchone()
    events = []
    for seq, item in enumerate(encoded, start=last - len(encoded) + 1):
        event = Event(
            EventId(identity.device, identity.epoch, seq),
            reading.unix_ms_at(item.occurrence.at_ns),
            reading.quality,
            item.occurrence,
        )
        db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", (seq, event.unix_ms, event.clock, item.kind, item.body))
        if publish:
            db.execute("INSERT INTO outbox VALUES (?)", (seq,))
        _note_state(db, item)
        events.append(event)
    return tuple(events)


def _note_state(db: sqlite3.Connection, item: Encoded) -> None:
    """Keep what later events depend on, whatever retention does to the events themselves."""
    match item.occurrence:
        case ModelChanged(model_name=model_name, digest=digest, delegate=delegate):
            db.execute("INSERT OR REPLACE INTO serving VALUES (?, ?, ?)", (model_name, digest, delegate))
        case ObjectAppeared(camera=camera, object_id=object_id):
            db.execute("INSERT OR REPLACE INTO open_object VALUES (?, ?, ?)", (camera, object_id, item.body))
        case ObjectLeft(camera=camera, object_id=object_id):
            db.execute("DELETE FROM open_object WHERE camera = ? AND object_id = ?", (camera, object_id))


def read_serving(db: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """The digest and the delegate of the last model that began to serve under each name."""
    return {name: (digest, delegate) for name, digest, delegate in db.execute("SELECT model_name, digest, delegate FROM serving")}


def interrupted(db: sqlite3.Connection, at_ns: int) -> list[Encoded]:
    """An ``ObjectLeft`` for every object that appeared and has not left.

    How long it stayed died with the process that followed it, and the time at which it appeared may be on the monotonic clock of
    an earlier boot: the two are never subtracted, ``dwell_s`` is 0.
    """
    rows = db.execute("SELECT camera, object_id, body FROM open_object ORDER BY camera, object_id").fetchall()
    left = []
    for camera, object_id, body in rows:
        try:
            appeared = codec.decode("object_appeared", body, f"open object {camera}/{object_id}")
        except StoreFailed as error:
            log.error("event store: forgotten: %s", error)
            db.execute("DELETE FROM open_object WHERE camera = ? AND object_id = ?", (camera, object_id))
            continue
        assert isinstance(appeared, ObjectAppeared)
        x0, _, x1, y1 = appeared.box
        left.append(
            ObjectLeft(
                camera=camera,
                object_id=object_id,
                label=appeared.label,
                reason="interrupted",
                dwell_s=0.0,
                best_score=appeared.score,
                best_box=appeared.box,
                box=appeared.box,
                path=(((x0 + x1) / 2, y1),),
                at_ns=at_ns,
                media_s=appeared.media_s,
                model=appeared.model,
            )
        )
    return [Encoded.of(occurrence) for occurrence in left]
