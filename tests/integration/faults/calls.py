"""SIGKILL at every call by which the store changes its files: after each the store must be as it was before or after the step that
was under way, and work on.

The kernel keeps what was written when only the process dies: this shows that no state between two calls is a broken one. That a
commit is on the medium before it is confirmed is another question, which ``order.py`` answers.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from edged.core.event import SourceLost
from edged.store.outbox import OutboxCounts
from edged.store.settings import StoreSettings
from edged.store.store import Store
from faults.worker import MAX_EVENTS, STEPS, clock, work

WORKER = Path(__file__).with_name("worker.py")

CHANGING = (
    "openat",
    "pwrite64",
    "write",
    "fallocate",
    "ftruncate",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
)
"""System calls that make, change, rename or remove files, or make that durable. ``?`` before a name: not every CPU has each."""

TRACE = ",".join(f"?{name}" for name in CHANGING)

STARTS = {"new": 0, "crashed": 4}
"""Where the worker begins: with nothing, or on what a worker left that was killed after so many steps."""

Snapshot = tuple[object, ...]
EMPTY: Snapshot = ([], [], [], [(0, 0, 0, 0)])


@dataclass(frozen=True)
class Point:
    """The ``nth`` time that a worker from ``start`` makes this system call on the store's files."""

    start: str
    call: str
    nth: int


@dataclass
class Outcome:
    """``killed`` says how many workers died, by call; the others had ended before."""

    points: int = 0
    killed: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Bench:
    """A scratch directory, and the states that the store goes through where nobody is killed."""

    def __init__(self, scratch: Path, environment: dict[str, str]) -> None:
        self._scratch = scratch
        self._environment = environment
        self._crashed = scratch / "crashed"
        self._crashed.mkdir()
        self._states = [EMPTY]

    def prepare(self) -> list[Point]:
        """Every point there is."""
        reference = self._scratch / "reference.db"
        asyncio.run(work(reference, 0, len(STEPS), lambda _: self._states.append(snapshot(reference))))
        command = [sys.executable, WORKER, self._crashed / "events.db", "0", str(STARTS["crashed"]), "die"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        return [
            Point(start, call, nth)
            for start in STARTS
            for call, count in sorted(self._observe(start).items())
            for nth in range(1, count + 1)
        ]

    def kill_at(self, point: Point) -> tuple[bool, list[str]]:
        """Let a worker die there; whether it did (not if it had ended before), and what is wrong with what it left."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            database = self._begin(point.start, Path(name))
            inject = f"--inject={point.call}:signal=SIGKILL:when={point.nth}"
            options = [*only_files_of(database), "-o", "/dev/null", inject]
            done = traced(database, STARTS[point.start], options, self._environment)
            confirmed = [int(line) for line in done.stdout.split()]
            return done.returncode != 0, [f"{point}: {problem}" for problem in self._examine(database, point.start, confirmed)]

    def _examine(self, database: Path, start: str, confirmed: list[int]) -> Iterator[str]:
        last = confirmed[-1] if confirmed else STARTS[start]
        if confirmed != list(range(STARTS[start] + 1, last + 1)):
            yield f"steps {confirmed} were confirmed"
        with closing(sqlite3.connect(database)) as db:
            if (verdict := db.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
                yield f"damaged: {verdict}"
        if snapshot(database) not in self._states[last : last + 2]:
            yield f"neither as before nor as after step {last + 1}"
        counts = asyncio.run(_go_on(database))
        if counts.produced != counts.delivered + counts.dropped + counts.queued:
            yield f"no balance: {counts}"
        if database.with_name("events.db.broken").exists():
            yield "taken for broken"

    def _observe(self, start: str) -> Counter[str]:
        """How often each call is made where nobody is killed."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            database, log = self._begin(start, Path(name)), Path(name, "strace.log")
            options = [*only_files_of(database), "-o", str(log)]
            traced(database, STARTS[start], options, self._environment).check_returncode()
            return Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE))

    def _begin(self, start: str, directory: Path) -> Path:
        for file in self._crashed.iterdir() if start == "crashed" else ():
            shutil.copy(file, directory)
        return directory / "events.db"


def snapshot(database: Path) -> Snapshot:
    """What a store holds, without what is drawn at random. One that died before it was made holds nothing."""
    tables = ("event", "outbox", "open_object")
    with closing(sqlite3.connect(database)) as db:
        if db.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
            return EMPTY
        rows: list[object] = [db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables]
        rows.append(db.execute("SELECT last_seq, produced, delivered, dropped FROM ledger").fetchall())
        return tuple(rows)


async def _go_on(database: Path) -> OutboxCounts:
    """Open it as the daemon would at its next start, and use it."""
    async with Store.open(database, "pi", StoreSettings(max_events=MAX_EVENTS), clock, publish=True) as store:
        counts = await store.counts()
        (event,) = await store.append([SourceLost("door", "afterwards", 0)])
        assert (await store.pending(event.id.seq - 1, 1)) == [event]
        return counts


def traced(database: Path, first: int, options: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the worker from this step to the last one under strace."""
    worker = [sys.executable, str(WORKER), str(database), str(first), str(len(STEPS))]
    command = ["strace", "-f", "-qq", "-e", f"trace={TRACE}", *options, *worker]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=database.parent)


def only_files_of(database: Path) -> list[str]:
    """Options that let strace see (and count, and interrupt) calls on the store's files alone."""
    files = [database, *(Path(f"{database}-{suffix}") for suffix in ("wal", "journal", "reserve")), database.parent]
    return [word for file in files for word in ("-P", str(file))]


def run(scratch: Path, step: int, on_point: Callable[[int, int], None], environment: dict[str, str] | None = None) -> Outcome:
    """Kill at every point, or at every ``step``-th of each call; ``on_point`` is told how many of how many are done."""
    bench, outcome = Bench(scratch, environment or {}), Outcome()
    points = [point for point in bench.prepare() if not (point.nth - 1) % step]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for point, (killed, problems) in zip(points, pool.map(bench.kill_at, points), strict=True):
            outcome.points += 1
            outcome.killed[point.call] = outcome.killed.get(point.call, 0) + killed
            outcome.problems += problems
            on_point(outcome.points, len(points))
    return outcome
