"""Events reach the sinks in order, after their commit, and a full disk does not end the daemon."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from edged.core.event import Event, EventId, Occurrence, SourceLost
from edged.daemon.recorder import MAX_BATCH, MAX_WAITING, Recorder
from edged.store.writer import StoreFull


class Shelf:
    """A store in memory, full for as long as it is told."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.full = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, occurrences: Sequence[Occurrence]) -> tuple[Event, ...]:
        await self.gate.wait()
        if self.full:
            raise StoreFull("no room", hint="free space")
        first = sum(self.batches)
        self.batches.append(len(occurrences))
        return tuple(Event(EventId("pi", "e", first + n), 0, "synchronised", what) for n, what in enumerate(occurrences))

    async def close_interrupted(self, at_ns: int) -> tuple[Event, ...]:
        if self.full:
            raise StoreFull("no room", hint="free space")
        return (Event(EventId("pi", "e", 999), 0, "synchronised", SourceLost("door", "closed", at_ns)),)


class Sink:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def on_event(self, event: Event) -> None:
        assert isinstance(event.occurrence, SourceLost)
        self.reasons.append(event.occurrence.reason)


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[Recorder, Shelf, Sink]]:
    shelf, sink = Shelf(), Sink()
    recorder = Recorder(shelf, [sink])
    task = asyncio.create_task(recorder.run())
    yield recorder, shelf, sink
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def lost(number: int) -> SourceLost:
    return SourceLost("door", str(number), number)


async def test_order_is_kept_and_batches_are_bounded() -> None:
    async with recording() as (recorder, shelf, sink):
        shelf.gate.clear()
        for number in range(250):
            await recorder.put(lost(number))
        shelf.gate.set()
        await recorder.drain()
        assert sink.reasons == [str(number) for number in range(250)]
        assert max(shelf.batches) <= MAX_BATCH


async def test_slow_store_makes_the_giver_wait() -> None:
    async with recording() as (recorder, shelf, sink):
        shelf.gate.clear()
        givers = asyncio.create_task(_give(recorder, MAX_WAITING + MAX_BATCH + 10))
        for _ in range(3 * MAX_WAITING):
            await asyncio.sleep(0)
        assert not givers.done()
        shelf.gate.set()
        await givers
        await recorder.drain()
        assert len(sink.reasons) == MAX_WAITING + MAX_BATCH + 10


async def _give(recorder: Recorder, count: int) -> None:
    for number in range(count):
        await recorder.put(lost(number))


async def test_full_disk_loses_counts_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with recording() as (recorder, shelf, sink):
        shelf.full = True
        await recorder.put(lost(1))
        await recorder.put(lost(2))
        await recorder.drain()
        assert (recorder.lost, sink.reasons) == (2, [])
        shelf.full = False
        await recorder.put(lost(3))
        await recorder.drain()
        assert (recorder.lost, sink.reasons) == (2, ["3"])
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "2 were lost" in caplog.text


async def test_full_disk_does_not_stop_the_closing_of_objects() -> None:
    async with recording() as (recorder, shelf, sink):
        shelf.full = True
        await recorder.close_interrupted(5)
        shelf.full = False
        await recorder.close_interrupted(6)
        assert sink.reasons == ["closed"]


async def test_sink_that_cannot_write_is_said_once_and_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Full(Sink):
        broken = True

        def on_event(self, event: Event) -> None:
            if self.broken:
                raise OSError(28, "No space left on device")
            super().on_event(event)

    full, sink = Full(), Sink()
    recorder = Recorder(Shelf(), [full, sink])
    task = asyncio.create_task(recorder.run())
    for number in range(3):
        await recorder.put(lost(number))
    await recorder.drain()
    full.broken = False
    await recorder.put(lost(3))
    await recorder.drain()
    task.cancel()
    assert sink.reasons == ["0", "1", "2", "3"]
    assert full.reasons == ["3"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_objects_of_a_dead_process_are_closed_after_what_it_had_said() -> None:
    async with recording() as (recorder, _, sink):
        await recorder.put(lost(1))
        await recorder.close_interrupted(5)
        assert sink.reasons == ["1", "closed"]
