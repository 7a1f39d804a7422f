"""SIGKILL at every call by which a worker changes its files: after each, what it works on must be as it was before or after the
step that was under way, and work on.

The kernel keeps what was written when only the process dies: this shows that no state between two calls is a broken one. That a
step is on the medium before it is confirmed is another question, which ``order.py`` and ``install_order.py`` answer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from faults import killed_store

Snapshot = object


class Subject(Protocol):
    """What a worker works on, below a directory.

    The worker is ``WORKER PLACE FIRST LAST [die]``: it does the steps FIRST to LAST - 1 and writes the number of each to stdout
    once it is done, and leaves, or dies of SIGKILL instead.
    """

    worker: Path
    steps: int
    starts: dict[str, int]
    """Where the worker begins: with nothing, or on what a worker left that was killed after so many steps."""
    calls: Sequence[str]
    """System calls that make, change, rename or remove files, or make that durable."""

    def place(self, directory: Path) -> Path:
        """What the worker is told to work on."""

    def only(self, place: Path) -> list[str]:
        """Options that let strace see (and count, and interrupt) calls on these files alone."""

    def states(self, scratch: Path) -> list[Snapshot]:
        """Those between the steps where nobody is killed, the first before any."""

    def snapshot(self, place: Path) -> Snapshot:
        """The state that is found."""

    def damage(self, place: Path) -> Iterator[str]:
        """What is broken; asked before ``snapshot``."""

    def go_on(self, place: Path) -> Iterator[str]:
        """Use it as the daemon would at its next start; what is wrong then."""


@dataclass(frozen=True)
class Point:
    """The ``nth`` time that a worker from ``start`` makes this system call on these files."""

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
    """A scratch directory, and the states that the subject goes through where nobody is killed."""

    def __init__(self, subject: Subject, scratch: Path, environment: dict[str, str]) -> None:
        self._subject = subject
        self._scratch = scratch
        self._environment = environment
        self._crashed = scratch / "crashed"
        self._crashed.mkdir()

    def prepare(self) -> list[Point]:
        """Every point there is."""
        subject = self._subject
        self._states = subject.states(self._scratch)
        command = [sys.executable, subject.worker, subject.place(self._crashed), "0", str(subject.starts["crashed"]), "die"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        return [
            Point(start, call, nth)
            for start in subject.starts
            for call, count in sorted(self._observe(start).items())
            for nth in range(1, count + 1)
        ]

    def kill_at(self, point: Point) -> tuple[bool, list[str]]:
        """Let a worker die there; whether it did (not if it had ended before), and what is wrong with what it left."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            place = self._begin(point.start, Path(name))
            inject = f"--inject={point.call}:signal=SIGKILL:when={point.nth}"
            done = self._traced(place, point.start, ["-o", "/dev/null", inject])
            confirmed = [int(line) for line in done.stdout.split()]
            problems = examine(self._subject, self._states, place, self._subject.starts[point.start], confirmed)
            return done.returncode != 0, [f"{point}: {problem}" for problem in problems]

    def _observe(self, start: str) -> Counter[str]:
        """How often each call is made where nobody is killed."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            place, log = self._begin(start, Path(name)), Path(name, "strace.log")
            self._traced(place, start, ["-o", str(log)]).check_returncode()
            return Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE))

    def _begin(self, start: str, directory: Path) -> Path:
        if start == "crashed":
            shutil.copytree(self._crashed, directory, dirs_exist_ok=True)
        return self._subject.place(directory)

    def _traced(self, place: Path, start: str, options: list[str]) -> subprocess.CompletedProcess[str]:
        options = [*self._subject.only(place), *options]
        return traced(self._subject, place, self._subject.starts[start], options, self._environment)


def examine(subject: Subject, states: Sequence[Snapshot], place: Path, first: int, confirmed: Sequence[int]) -> Iterator[str]:
    """What is wrong with what is left of a worker that began with step ``first`` and confirmed these."""
    last = confirmed[-1] if confirmed else first
    if list(confirmed) != list(range(first + 1, last + 1)):
        yield f"steps {list(confirmed)} were confirmed"
    yield from subject.damage(place)
    if subject.snapshot(place) not in states[last : last + 2]:
        yield f"neither as before nor as after step {last + 1}"
    yield from subject.go_on(place)


def traced(
    subject: Subject, place: Path, first: int, options: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the worker from this step to the last one under strace."""
    trace = ",".join(f"?{name}" for name in subject.calls)  # "?": not every CPU has each
    worker = [sys.executable, "-B", str(subject.worker), str(place), str(first), str(subject.steps)]
    command = ["strace", "-f", "-qq", "-e", f"trace={trace}", *options, *worker]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=place.parent)


def run(
    scratch: Path,
    step: int,
    on_point: Callable[[int, int], None],
    environment: dict[str, str] | None = None,
    subject: Subject = killed_store.SUBJECT,
) -> Outcome:
    """Kill at every point, or at every ``step``-th of each call; ``on_point`` is told how many of how many are done."""
    bench, outcome = Bench(subject, scratch, environment or {}), Outcome()
    points = [point for point in bench.prepare() if not (point.nth - 1) % step]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for point, (killed, problems) in zip(points, pool.map(bench.kill_at, points), strict=True):
            outcome.points += 1
            outcome.killed[point.call] = outcome.killed.get(point.call, 0) + killed
            outcome.problems += problems
            on_point(outcome.points, len(points))
    return outcome
