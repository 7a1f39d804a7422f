"""The store as what a killed worker leaves (see ``calls.py``)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from edged.core.event import SourceLost
from edged.store.outbox import OutboxCounts
from edged.store.settings import StoreSettings
from edged.store.store import Store
from faults.worker import MAX_EVENTS, STEPS, clock, work

Snapshot = tuple[object, ...]
EMPTY: Snapshot = ([], [], [], [(0, 0, 0, 0)])


class KilledStore:
    """A database and the files beside it."""

    worker = Path(__file__).with_name("worker.py")
    steps = len(STEPS)
    starts = {"new": 0, "crashed": 4}  # noqa: RUF012 - never changed
    calls = (
        *("openat", "pwrite64", "write", "fallocate", "ftruncate", "fsync", "fdatasync"),
        *("rename", "renameat", "unlink", "unlinkat"),
    )

    def place(self, directory: Path) -> Path:
        """The database."""
        return directory / "events.db"

    def only(self, place: Path) -> list[str]:
        """The database, what SQLite and the reserve put beside it, and the directory."""
        files = [place, *(Path(f"{place}-{suffix}") for suffix in ("wal", "journal", "reserve")), place.parent]
        return [word for file in files for word in ("-P", str(file))]

    def states(self, scratch: Path) -> list[Snapshot]:
        """After each step."""
        reference = scratch / "reference.db"
        states = [EMPTY]
        asyncio.run(work(reference, 0, len(STEPS), lambda _: states.append(self.snapshot(reference))))
        return states

    def snapshot(self, place: Path) -> Snapshot:
        """What a store holds, without what is drawn at random. One that died before it was made holds nothing."""
        tables = ("event", "outbox", "open_object")
        with closing(sqlite3.connect(place)) as db:
            if db.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                return EMPTY
            rows: list[object] = [db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables]
            rows.append(db.execute("SELECT last_seq, produced, delivered, dropped FROM ledger").fetchall())
            return tuple(rows)

    def damage(self, place: Path) -> Iterator[str]:
        """What SQLite finds."""
        with closing(sqlite3.connect(place)) as db:
            if (verdict := db.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
                yield f"damaged: {verdict}"

    def go_on(self, place: Path) -> Iterator[str]:
        """Open and use it."""
        counts = asyncio.run(_go_on(place))
        if counts.produced != counts.delivered + counts.dropped + counts.queued:
            yield f"no balance: {counts}"
        if place.with_name("events.db.broken").exists():
            yield "taken for broken"


async def _go_on(database: Path) -> OutboxCounts:
    async with Store.open(database, "pi", StoreSettings(max_events=MAX_EVENTS), clock, publish=True) as store:
        counts = await store.counts()
        (event,) = await store.append([SourceLost("door", "afterwards", 0)])
        assert (await store.pending(event.id.seq - 1, 1)) == [event]
        return counts


SUBJECT = KilledStore()
