"""The store under SIGKILL and on a full disk, in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edged.core.clock import ClockReading
from edged.store.settings import StoreSettings
from edged.store.store import Store

# Appends for ever from several tasks and acknowledges some; prints the number of every event whose append has returned.
APPENDING = """
import asyncio, sys, time
from pathlib import Path
from edged.core.clock import ClockReading
from edged.core.event import SourceLost
from edged.store.settings import StoreSettings
from edged.store.store import Store

def clock():
    return ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")

async def produce(store, task):
    while True:
        events = await store.append([SourceLost(f"camera-{task}", "", time.monotonic_ns())])
        print(*(event.id.seq for event in events), flush=True)
        if task == 0:
            await store.acknowledge([events[0].id.seq])

async def main():
    async with Store.open(Path(sys.argv[1]), "pi", StoreSettings(max_events=int(sys.argv[2])), clock, publish=True) as store:
        async with asyncio.TaskGroup() as tasks:
            for task in range(8):
                tasks.create_task(produce(store, task))

asyncio.run(main())
"""

# Appends 2 kB events until 6,000 are in, on a disk that holds a third of them.
FILLING = """
import asyncio, os, sqlite3, sys, time
from pathlib import Path
from edged.core.clock import ClockReading
from edged.core.event import SourceLost
from edged.store.settings import StoreSettings
from edged.store.store import Store

def clock():
    return ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")

async def main():
    async with Store.open(Path(sys.argv[1]), "pi", StoreSettings(max_mb=256), clock, publish=True) as store:
        for _ in range(60):
            await store.append([SourceLost("door", os.urandom(1000).hex(), 0) for _ in range(100)])
        counts = await store.counts()
        newest = (await store.pending(0, 10_000))[-1].id.seq
        print(counts.produced, counts.delivered, counts.dropped, counts.queued, newest)

asyncio.run(main())
print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])
"""

# Something else takes every byte that is free, again after each append, until nothing can be stored; then it goes away.
CROWDED = """
import asyncio, os, sqlite3, sys, time
from pathlib import Path
from edged.core.clock import ClockReading
from edged.core.event import SourceLost
from edged.store.settings import StoreSettings
from edged.store.store import Store
from edged.store.writer import StoreFull

def clock():
    return ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")

def fill(path):
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            pass

async def main():
    path = Path(sys.argv[1])
    filler = path.with_name("filler")
    async with Store.open(path, "pi", StoreSettings(), clock, publish=True) as store:
        refused = 0
        for _ in range(200):
            fill(filler)
            try:
                await store.append([SourceLost("door", os.urandom(1000).hex(), 0) for _ in range(100)])
            except StoreFull:
                refused += 1
                break
        filler.unlink()
        (event,) = await store.append([SourceLost("door", "room again", 0)])
        assert (await store.pending(event.id.seq - 1, 1)) == [event]
        counts = await store.counts()
        print(counts.produced, counts.delivered, counts.dropped, counts.queued, refused)

asyncio.run(main())
print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])
"""


def clock() -> ClockReading:
    return ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")


@pytest.mark.parametrize("max_events", [100_000, 100], ids=["growing", "at its bound"])
def test_sigkill_loses_nothing_that_append_returned(tmp_path: Path, max_events: int) -> None:
    path = tmp_path / "events.db"
    returned: set[int] = set()
    for _ in range(2):  # the second run begins on what the first left behind
        with subprocess.Popen([sys.executable, "-c", APPENDING, path, str(max_events)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                returned.update(map(int, line.split()))
                if len(returned) % 60 == 0:
                    break
            child.send_signal(signal.SIGKILL)
            returned.update(int(seq) for line in child.stdout if line.endswith("\n") for seq in line.split())
        assert child.returncode == -signal.SIGKILL

    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    stored = {seq for (seq,) in db.execute("SELECT seq FROM event")}
    db.close()
    assert {seq for seq in returned if seq > max(stored) - max_events} <= stored
    assert max(returned) <= max(stored)

    async def identity() -> None:
        async with Store.open(path, "pi", StoreSettings(max_events=max_events), clock, publish=True) as store:
            counts = await store.counts()
            assert counts.produced == counts.delivered + counts.dropped + counts.queued
            assert counts.produced == max(stored)

    asyncio.run(identity())


def on_a_small_disk(mounting: list[str], directory: Path, program: str) -> tuple[list[int], str]:
    """Run the program with a database on a file system of 8 MiB; the numbers and the verdict that it prints, and its log."""
    script = 'mount -t tmpfs -o size=8m none "$1" && exec "$2" -c "$3" "$1/events.db"'
    command = [*mounting, "sh", "-c", script, "sh", directory, sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    numbers, verdict = done.stdout.splitlines()
    assert verdict == "ok"
    return [int(number) for number in numbers.split()], done.stderr


def test_on_a_full_disk_the_oldest_go_and_nothing_breaks(tmp_path: Path, mounting: list[str]) -> None:
    (produced, delivered, dropped, queued, newest), log = on_a_small_disk(mounting, tmp_path, FILLING)
    assert produced == newest == 6000 == delivered + dropped + queued
    assert dropped > 0
    assert queued > 500  # a hundredth goes at a time, not everything
    assert log.count("the disk is full") == 1


def test_a_disk_that_something_else_filled_is_survived(tmp_path: Path, mounting: list[str]) -> None:
    (produced, delivered, dropped, queued, refused), log = on_a_small_disk(mounting, tmp_path, CROWDED)
    assert produced == delivered + dropped + queued
    assert refused == 1
    assert log.count("the disk is full") == 1
