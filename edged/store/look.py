"""A look at a store from outside, beside a daemon that may be using it: nothing in it is changed, repaired or moved."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edged.core.errors import StoreFailed
from edged.store.db import is_new, store_failed

BUSY_S = 2.0
"""A commit of the daemon takes less."""

STEPS = 10_000
"""Virtual machine instructions of SQLite between two looks at the time."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a store holds. ``queued`` events wait for the broker, the oldest of them since ``waiting_since_ms`` (Unix time)."""

    events: int
    queued: int
    dropped: int
    waiting_since_ms: int | None


def look(path: Path, check_s: float) -> Holdings | None:
    """Read the store at ``path``, ``None`` if there is none yet; raises StoreFailed.

    The pages of one that was not closed in good order are checked as well, as far as that goes within ``check_s`` seconds.
    """
    if not path.exists():
        return None
    # Without a journal nobody has it open; then nothing, not even an index of the journal, is made beside it.
    journalled = path.with_name(f"{path.name}-wal").exists()
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro{'' if journalled else '&immutable=1'}"
        with closing(sqlite3.connect(uri, timeout=BUSY_S, uri=True)) as db:
            return None if is_new(db, path) else _read(db, path, check_s)
    except (sqlite3.Error, OSError) as error:
        raise store_failed(path, error) from error


def _read(db: sqlite3.Connection, path: Path, check_s: float) -> Holdings:
    ledger = db.execute("SELECT clean, dropped FROM ledger").fetchone()
    if ledger is None:
        raise StoreFailed(f"event store {path}: its ledger is empty", fault="damaged")
    clean, dropped = ledger
    if not clean and (found := _fault_within(db, check_s)):
        raise StoreFailed(f"event store {path}: {found}", fault="damaged")
    (events,) = db.execute("SELECT count(*) FROM event").fetchone()
    (queued,) = db.execute("SELECT count(*) FROM outbox").fetchone()
    oldest = db.execute("SELECT unix_ms FROM outbox JOIN event USING (seq) ORDER BY seq LIMIT 1").fetchone()
    return Holdings(events, queued, dropped, oldest[0] if oldest else None)


def _fault_within(db: sqlite3.Connection, check_s: float) -> str:
    """What contradicts itself in the pages that are looked at within ``check_s`` seconds, "" if nothing does."""
    until_s = time.monotonic() + check_s
    db.set_progress_handler(lambda: time.monotonic() > until_s, STEPS)
    try:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return ""
    finally:
        db.set_progress_handler(None, 0)
    return "" if verdict == "ok" else str(verdict)
