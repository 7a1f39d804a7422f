from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest

from edged.core.clock import ClockReading
from edged.core.event import ClockQuality, SourceLost
from edged.store import events, outbox, retention
from edged.store.db import open_database
from edged.store.events import Encoded, Identity
from edged.store.settings import StoreSettings

DAY_S = 86_400
NOW_S = 1_750_000_000
SETTINGS = StoreSettings(max_events=1000, max_age_days=30)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    connection = open_database(tmp_path / "events.db")
    yield connection
    connection.close()


def reading(unix_s: int, quality: ClockQuality = "synchronised") -> ClockReading:
    return ClockReading(monotonic_ns=0, unix_ns=unix_s * 10**9, quality=quality)


def store(db: Connection, count: int, at: ClockReading) -> None:
    events.insert(db, [Encoded.of(SourceLost("door", "", 0))] * count, Identity("d", "e"), at, publish=True)


def kept(db: Connection) -> list[int]:
    return [seq for (seq,) in db.execute("SELECT seq FROM event ORDER BY seq")]


def test_the_oldest_go_when_there_are_too_many(db: Connection) -> None:
    store(db, 1003, reading(NOW_S))
    outbox.settle_delivered(db, [1, 2])
    assert retention.sweep(db, SETTINGS, reading(NOW_S)) == 1  # the third was not delivered
    assert kept(db) == list(range(4, 1004))
    assert outbox.read_counts(db) == outbox.OutboxCounts(produced=1003, delivered=2, dropped=1, queued=1000)


def test_events_of_an_age_go(db: Connection) -> None:
    store(db, 3, reading(NOW_S - 31 * DAY_S))
    store(db, 2, reading(NOW_S - 29 * DAY_S))
    retention.sweep(db, SETTINGS, reading(NOW_S))
    assert kept(db) == [4, 5]


def test_an_unsynchronised_clock_makes_nothing_old(db: Connection) -> None:
    store(db, 2, reading(0, "unsynchronised"))
    store(db, 1, reading(NOW_S))
    retention.sweep(db, SETTINGS, reading(NOW_S))
    assert kept(db) == [1, 2, 3]
    retention.sweep(db, SETTINGS, reading(NOW_S + 10_000 * DAY_S, "unsynchronised"))
    assert kept(db) == [1, 2, 3]


def test_events_without_an_age_go_with_those_behind_them(db: Connection) -> None:
    store(db, 2, reading(0, "unsynchronised"))
    store(db, 1, reading(NOW_S))
    store(db, 2, reading(0, "unsynchronised"))
    retention.sweep(db, SETTINGS, reading(NOW_S + 31 * DAY_S))
    assert kept(db) == [4, 5]


def test_an_event_stamped_far_back_does_not_take_younger_ones_before_it(db: Connection) -> None:
    store(db, 1, reading(NOW_S))
    store(db, 1, reading(NOW_S - 400 * DAY_S))
    retention.sweep(db, SETTINGS, reading(NOW_S))
    assert kept(db) == [1, 2]


def test_numbers_are_not_used_again_after_everything_was_dropped(db: Connection) -> None:
    store(db, 5, reading(NOW_S))
    while retention.drop_some(db, 2) is not None:
        pass
    assert kept(db) == []
    store(db, 1, reading(NOW_S))
    assert kept(db) == [6]
