from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.core.clock import ClockReading
from edged.core.errors import StoreFailed
from edged.core.event import Event, ModelChanged, ObjectAppeared, ObjectLeft, SourceLost
from edged.store.settings import StoreSettings
from edged.store.store import Store
from edged.store.writer import Writer

BOUNDS = StoreSettings()


def clock() -> ClockReading:
    return ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")


def lost(reason: str = "") -> SourceLost:
    return SourceLost("door", reason, time.monotonic_ns())


def appeared(object_id: str = "a-1") -> ObjectAppeared:
    return ObjectAppeared("door", object_id, "person", 0.9, (10, 20, 30, 60), time.monotonic_ns(), 1.5, "sha")


def left(object_id: str = "a-1") -> ObjectLeft:
    box = (10.0, 20.0, 30.0, 60.0)
    return ObjectLeft("door", object_id, "person", "left", 2.0, 0.9, box, box, (), time.monotonic_ns(), 2.5, "sha")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def opened(path: Path, bounds: StoreSettings = BOUNDS, *, publish: bool = True) -> AbstractAsyncContextManager[Store]:
    return Store.open(path, "pi", bounds, clock, publish=publish)


def committed(path: Path, query: str) -> list[tuple[object, ...]]:
    """What another process sees in the file now."""
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


async def test_what_append_returned_is_committed(path: Path) -> None:
    async with opened(path) as store:
        (event,) = await store.append([lost("cable")])
        assert committed(path, "SELECT seq, kind FROM event") == [(1, "source_lost")]
        assert committed(path, "SELECT seq FROM outbox") == [(1,)]
        assert str(event.id) == f"pi/{store.epoch}/1"
        assert abs(event.unix_ms - time.time_ns() // 1_000_000) < 60_000
        assert await store.pending(0, 10) == [event]


async def test_numbers_follow_the_order_of_commit_and_go_on_after_reopening(path: Path) -> None:
    async with opened(path) as store:
        first = await store.append([lost("1"), lost("2")])
        epoch = store.epoch
    async with opened(path) as store:
        second = await store.append([lost("3")])
        assert [event.id.seq for event in first + second] == [1, 2, 3]
        assert store.epoch == epoch
        assert await store.pending(0, 10) == [*first, *second]


async def test_appends_at_one_time_share_commits(path: Path) -> None:
    readings = 0

    def counting() -> ClockReading:
        nonlocal readings
        readings += 1
        return clock()

    async with Store.open(path, "pi", BOUNDS, counting, publish=True) as store:
        await store.append([lost()])
        readings = 0
        results = await asyncio.gather(*(store.append([lost(str(number))]) for number in range(300)))
        seqs = [event.id.seq for (event,) in results]
        assert seqs == list(range(2, 302))
        assert readings - 300 in range(3, 7)  # one more reading a transaction, for retention: 300 events in groups of 100


async def test_an_urgent_acknowledgement_is_committed_at_once_with_what_waited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.store.writer.GROUP_S", 3600.0)
    async with opened(path) as store:
        await store.append([lost(), lost()])  # the first is committed at once, what comes after it waits for company
        patient = asyncio.create_task(store.acknowledge([1]))
        waiting = asyncio.create_task(store.append([lost()]))
        await asyncio.sleep(0)
        await store.acknowledge([2], urgent=True)
        await asyncio.gather(patient, waiting)
        assert committed(path, "SELECT seq FROM outbox") == [(3,)]


async def test_nothing_to_append_is_no_commit(path: Path) -> None:
    async with opened(path) as store:
        assert await store.append([]) == ()
        assert (await store.counts()).produced == 0


async def test_without_a_broker_nothing_is_queued(path: Path) -> None:
    async with opened(path, publish=False) as store:
        await store.append([lost()])
        assert await store.pending(0, 10) == []
        counts = await store.counts()
        assert (counts.produced, counts.queued) == (0, 0)
    assert committed(path, "SELECT count(*) FROM event") == [(1,)]


async def test_pending_goes_on_where_it_was_asked_to(path: Path) -> None:
    async with opened(path) as store:
        events = await store.append([lost(str(number)) for number in range(10)])
        assert await store.pending(3, 4) == list(events[3:7])
        await store.acknowledge([4, 6])
        assert [event.id.seq for event in await store.pending(3, 4)] == [5, 7, 8, 9]


async def test_an_event_is_counted_as_delivered_once(path: Path) -> None:
    async with opened(path) as store:
        await store.append([lost(), lost()])
        await asyncio.gather(store.acknowledge([1]), store.acknowledge([1, 99]))
        counts = await store.counts()
        assert (counts.produced, counts.delivered, counts.dropped, counts.queued) == (2, 1, 0, 1)


async def test_waiting_for_the_outbox_ends_with_a_commit(path: Path) -> None:
    async with opened(path) as store:
        waiter = asyncio.create_task(store.wait_for_outbox())
        assert await store.pending(0, 1) == []
        assert not waiter.done()
        await store.append([lost()])
        await asyncio.wait_for(waiter, 10)
        again = asyncio.create_task(store.wait_for_outbox())
        await store.counts()
        assert not again.done()
        again.cancel()


async def test_objects_in_view_leave_as_interrupted_once(path: Path) -> None:
    async with opened(path) as store:
        await store.append([appeared("a-1"), appeared("a-2"), left("a-1")])
    async with opened(path) as store:
        (event,) = await store.close_interrupted(at_ns=time.monotonic_ns())
        occurrence = event.occurrence
        assert isinstance(occurrence, ObjectLeft)
        assert (occurrence.object_id, occurrence.reason, occurrence.dwell_s) == ("a-2", "interrupted", 0.0)
        assert (occurrence.box, occurrence.path) == ((10.0, 20.0, 30.0, 60.0), ((20.0, 60.0),))
        assert await store.close_interrupted(at_ns=time.monotonic_ns()) == ()
        assert [found.id.seq for found in await store.pending(0, 10)] == [1, 2, 3, 4]


async def test_after_a_reboot_the_old_monotonic_clock_is_not_used(path: Path) -> None:
    hours_ns = 3600 * 10**9
    async with Store.open(path, "pi", BOUNDS, lambda: ClockReading(90 * hours_ns, 10**18, "synchronised"), publish=True) as store:
        before = ObjectAppeared("door", "a-1", "person", 0.9, (0, 0, 1, 1), 90 * hours_ns, None, "sha")
        await store.append([before])
    async with Store.open(
        path, "pi", BOUNDS, lambda: ClockReading(10**9, 10**18 + hours_ns, "synchronised"), publish=True
    ) as store:
        (event,) = await store.close_interrupted(at_ns=10**9)
        assert isinstance(event.occurrence, ObjectLeft)
        assert event.occurrence.dwell_s == 0.0
        assert event.unix_ms == (10**18 + hours_ns) // 10**6


async def test_the_model_that_served_last_is_remembered_beyond_its_event(path: Path) -> None:
    async with opened(path) as store:
        assert await store.serving() == {}
        await store.append([ModelChanged("faces", "1", "aa", "", "xnnpack", 0), ModelChanged("dogs", "1", "bb", "", "xnnpack", 0)])
        await store.append([ModelChanged("faces", "2", "cc", "aa", "edgetpu", 0)])
    async with opened(path, StoreSettings(max_events=100)) as store:
        for _ in range(3):
            await store.append([lost(str(number)) for number in range(100)])
        assert await store.serving() == {"faces": ("cc", "edgetpu"), "dogs": ("bb", "xnnpack")}


async def test_an_unreadable_row_is_dropped_and_does_not_hold_up_the_rest(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(path) as store:
        await store.append([lost(str(number)) for number in range(3)])
    db = sqlite3.connect(path)
    db.execute("UPDATE event SET body = x'c1' WHERE seq = 1")
    db.execute("UPDATE event SET kind = 'door_opened' WHERE seq = 2")
    db.commit()
    db.close()
    async with opened(path) as store:
        assert [event.id.seq for event in await store.pending(0, 2)] == [3]
        counts = await store.counts()
        assert (counts.dropped, counts.queued) == (2, 1)
    assert "event 1" in caplog.text
    assert "'door_opened'" in caplog.text


async def test_an_unreadable_object_in_view_is_forgotten(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(path) as store:
        await store.append([appeared("a-1"), appeared("a-2")])
    db = sqlite3.connect(path)
    db.execute("UPDATE open_object SET body = x'c1' WHERE object_id = 'a-1'")
    db.commit()
    db.close()
    async with opened(path) as store:
        assert len(await store.close_interrupted(time.monotonic_ns())) == 1
        assert await store.close_interrupted(time.monotonic_ns()) == ()
    assert "door/a-1" in caplog.text


async def test_a_full_file_drops_the_oldest_and_goes_on(path: Path) -> None:
    bounds = StoreSettings(max_mb=2)
    async with opened(path, bounds) as store:
        for number in range(60):
            await store.append([lost(os.urandom(1000).hex()) for _ in range(100)])
            if number == 2:
                await store.acknowledge(range(1, 101))
        counts = await store.counts()
        newest = (await store.pending(0, 10_000))[-1]
        assert newest.id.seq == 6000
        assert counts.dropped > 0
        assert counts.produced == 6000 == counts.delivered + counts.dropped + counts.queued
        assert counts.delivered == 100
    assert path.stat().st_size <= 2 * 1024 * 1024
    assert committed(path, "PRAGMA integrity_check") == [("ok",)]


async def test_a_lowered_bound_shrinks_the_file(path: Path) -> None:
    async with opened(path) as store:
        await store.append([lost(os.urandom(1000).hex()) for _ in range(3000)])
    assert path.stat().st_size > 4 * 1024 * 1024
    async with opened(path, StoreSettings(max_mb=2)) as store:
        counts = await store.counts()
        assert counts.produced == counts.dropped + counts.queued
        assert counts.dropped > 0
    assert path.stat().st_size <= 2 * 1024 * 1024


async def test_bounds_change_while_the_store_is_used(path: Path) -> None:
    async with opened(path) as store:
        await store.append([lost(os.urandom(1000).hex()) for _ in range(3000)])
        appending = asyncio.create_task(store.append([lost("meanwhile")]))
        await store.configure(StoreSettings(max_mb=2), publish=True)
        assert path.stat().st_size <= 2 * 1024 * 1024
        await appending
        await store.configure(StoreSettings(max_mb=2, max_events=100), publish=True)
        counts = await store.counts()
        assert counts.queued == 100
        assert counts.produced == 3001 == counts.dropped + counts.queued
        await store.configure(StoreSettings(max_mb=8), publish=True)
        await store.append([lost(os.urandom(1000).hex()) for _ in range(1500)])
        assert (await store.counts()).queued == 1600
    assert path.stat().st_size > 2 * 1024 * 1024


async def test_events_to_come_may_be_for_nobody_and_again_for_the_broker(path: Path) -> None:
    async with opened(path) as store:
        for publish in (True, False, True):
            await store.configure(BOUNDS, publish=publish)
            await store.append([lost()])
        assert [event.id.seq for event in await store.pending(0, 10)] == [1, 3]
        assert (await store.counts()).produced == 2


async def test_what_was_handed_in_is_committed_at_close(path: Path) -> None:
    async with opened(path) as store:
        await store.append([lost()])
        late = asyncio.create_task(store.append([lost("late")]))
        await asyncio.sleep(0)  # one turn of the loop: the append is handed in, and waits for its group
    assert [event.id.seq for event in await late] == [2]
    with pytest.raises(StoreFailed, match="closed"):
        await store.append([lost()])
    assert committed(path, "SELECT clean FROM ledger") == [(1,)]


async def test_a_failing_writer_is_seen_by_everyone(path: Path) -> None:
    async with opened(path) as store:
        await store.append([lost()])
        db = sqlite3.connect(path)
        db.execute("DROP TABLE outbox")
        db.commit()
        db.close()
        results = await asyncio.gather(*(store.append([lost()]) for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [StoreFailed] * 3
        with pytest.raises(StoreFailed, match="outbox"):
            await store.pending(0, 1)
        await asyncio.wait_for(store.wait_for_outbox(), 60)
    assert committed(path, "SELECT clean FROM ledger") == [(0,)]


async def test_a_store_that_cannot_open_says_why(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="missing"):
        async with opened(tmp_path / "missing" / "events.db"):
            pass


async def test_age_is_looked_after_while_nothing_happens(path: Path) -> None:
    swept = asyncio.Event()
    loop = asyncio.get_running_loop()
    writer = Writer(path, BOUNDS, lambda _: loop.call_soon_threadsafe(swept.set), lambda: None, idle_s=0.01)
    await writer.start()
    await asyncio.wait_for(swept.wait(), 60)
    await writer.stop(60)


async def test_a_thread_that_hangs_does_not_hold_up_the_end(path: Path) -> None:
    release = threading.Event()
    writer = Writer(path, BOUNDS, lambda _: None, lambda: None)
    await writer.start()
    stuck = asyncio.create_task(writer.read(lambda _: release.wait(30)))
    waiting = asyncio.create_task(writer.write(lambda _: None, events=1))
    await asyncio.sleep(0)
    await writer.stop(0.05)
    with pytest.raises(StoreFailed, match="did not close"):
        await waiting
    release.set()
    await asyncio.gather(stuck, return_exceptions=True)


step = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 40)),
    st.tuples(st.just("acknowledge"), st.integers(1, 120)),
    st.tuples(st.just("reopen"), st.just(0)),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(step, max_size=12))
def test_every_event_is_delivered_dropped_or_queued(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    path = tmp_path_factory.mktemp("identity") / "events.db"
    bounds = StoreSettings(max_events=50)

    async def run() -> None:
        produced = 0
        for run in runs(steps):
            async with opened(path, bounds) as store:
                works = []
                for verb, number in run:
                    if verb == "append":
                        works.append(store.append([lost()] * number))
                        produced += number
                    else:
                        works.append(store.acknowledge([number, number + 1]))
                await asyncio.gather(*works)
                counts = await store.counts()
                assert counts.produced == produced == counts.delivered + counts.dropped + counts.queued
                pending: list[Event] = await store.pending(0, 1000)
                assert len(pending) == counts.queued

    asyncio.run(run())


def runs(steps: list[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    found: list[list[tuple[str, int]]] = [[]]
    for item in steps:
        if item[0] == "reopen":
            found.append([])
        else:
            found[-1].append(item)
    return found
