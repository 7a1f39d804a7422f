"""The power goes at every write to the disk: what a worker works on must then be as it was before or after the step that was under
way, no step that was confirmed may be missing, and it must work on.

The worker runs on an ext4 whose disk is a file that QEMU serves (FUSE) and of which it logs every write and flush. From the log the
disk is rebuilt as each cut may leave it (``blocklog.py``), and mounted: the kernel replays its journal. Needs root, for the mounts.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edged.core.errors import EdgedError
from faults import cut_download, killed_install, killed_store
from faults.blocklog import BLOCK_BYTES, Cut, Entry, Piece, cuts, follow, kept, read_log, split
from faults.calls import Snapshot, Subject, examine
from faults.mutant import mutate

DISK_BYTES = 64 << 20
"""Room for what a download wants left free, and a journal."""

SAID_BYTES = 1 << 16
LOG_BYTES = 1 << 30
"""It has holes."""

SUBSETS = 4
"""Random parts of what might be lost that are tried at each moment."""

OPTIONS = "loop,noatime,noauto_da_alloc,commit=300"
"""An ext4 that is as lazy as it may be: it does not see a rename as a wish to have the file on the disk, and for minutes nothing is
written that nobody synced."""

SUBJECTS: dict[str, Subject] = {
    "install": killed_install.SUBJECT,
    "store": killed_store.SUBJECT,
    "download": cut_download.SUBJECT,
}


@dataclass(frozen=True)
class Mutant:
    """One sync that is left out, and whose promise that breaks; or, with other ``options`` of the mount, all flushes of the disk.

    Not every sync is needed on ext4, whose journal keeps the order of names: that of a bundle's name is covered by the next one
    of the slots. ``install_order.py`` asks for those as well.
    """

    name: str
    subject: str
    file: str = ""
    old: str = ""
    new: str = ""
    options: str = OPTIONS

    def make(self, directory: Path) -> dict[str, str]:
        """The environment in which a worker is the mutant."""
        return mutate(directory, self.file, self.old, self.new) if self.file else {}


MUTANTS = (
    Mutant("files of a bundle", "install", "ota/package.py", "                os.fsync(member.fileno())\n"),
    Mutant("content of the slots", "install", "core/durable.py", "            os.fsync(file.fileno())\n"),
    Mutant("name of the slots", "install", "core/durable.py", "    sync_directory(path.parent)\n"),
    Mutant("commits", "store", "store/db.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"),
    Mutant("chunks", "download", "ota/part.py", "            os.fdatasync(fd)\n"),
    Mutant("what the file system writes", "install", options=f"{OPTIONS},nobarrier"),
)


@dataclass
class Outcome:
    """``cuts`` says how many states were looked at, by what was kept of what no flush followed."""

    seed: int
    writes: dict[str, int] = field(default_factory=dict)
    flushes: dict[str, int] = field(default_factory=dict)
    confirmed: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass
class Mutants:
    """What was seen of each mutant first. ``problems`` are those of which nothing was seen."""

    seed: int
    noticed: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Bench:
    """One subject's run, and what may be left of it."""

    def __init__(self, subject: Subject, scratch: Path, environment: dict[str, str], options: str = OPTIONS) -> None:
        self._subject = subject
        self._scratch = scratch
        reference = scratch / "reference"
        reference.mkdir()
        self._states: list[Snapshot] = subject.states(reference)
        disk = scratch / "disk.img"
        format_disk(disk)
        first = [piece for piece in read_pieces(disk) if any(piece.data)]
        self.entries = record(subject, scratch, disk, environment, options)
        before = [Entry(piece.offset, piece.data, flush=False) for piece in first]
        self._pieces, self.moments = follow([*before, Entry(0, b"", flush=True), *self.entries], DISK_BYTES)
        self._formatted = len(first)
        del self.moments[: self._formatted]

    def look(self, cut: Cut) -> list[str]:
        """What is wrong with what this cut leaves."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            disk, mounted = Path(name, "disk.img"), Path(name, "mounted")
            with disk.open("wb") as file:
                for piece in kept(self._pieces, cut):
                    os.pwrite(file.fileno(), piece.data, piece.offset)
                file.truncate(DISK_BYTES)
            moment, problems = cut.moment, list[str]()
            try:
                with mount(disk, mounted):
                    problems += examine(self._subject, self._states, self._subject.place(mounted), 0, moment.confirmed)
            except subprocess.CalledProcessError as error:
                problems.append(error.stderr.strip())
            except (OSError, EdgedError, sqlite3.Error) as error:
                problems.append(repr(error))
            at = f"after block {moment.written - self._formatted}, with {cut.how} kept of the last {moment.written - moment.safe}"
            return [f"{at}: {problem}" for problem in problems]


def run(scratch: Path, every: int, seed: int, on_cut: Callable[[str, int, int], None]) -> Outcome:
    """All subjects; ``on_cut`` is told of which how many of how many are done."""
    outcome = Outcome(seed)
    for name, subject in SUBJECTS.items():
        bench = Bench(subject, made(scratch / name), {})
        outcome.writes[name] = sum(bool(entry.data) and entry.offset < DISK_BYTES for entry in bench.entries)
        outcome.flushes[name] = sum(entry.flush for entry in bench.entries)
        outcome.confirmed[name] = len(bench.moments[-1].confirmed)
        if outcome.confirmed[name] != subject.steps:
            outcome.problems.append(f"{name}: of {subject.steps} steps {outcome.confirmed[name]} were done")
        for cut, problems in looked(bench, every, seed, lambda done, of, name=name: on_cut(name, done, of)):
            key = f"{name}, {cut.how} kept"
            outcome.cuts[key] = outcome.cuts.get(key, 0) + 1
            outcome.problems += [f"{name}: {problem}" for problem in problems]
    return outcome


def run_mutants(scratch: Path, every: int, seed: int, on_cut: Callable[[str, int, int], None]) -> Mutants:
    """Each mutant until a state is found that breaks a promise."""
    outcome = Mutants(seed)
    for number, mutant in enumerate(MUTANTS):
        directory = made(scratch / f"mutant-{number}")
        bench = Bench(SUBJECTS[mutant.subject], directory, mutant.make(directory / "code"), mutant.options)
        title = f"without sync: {mutant.name}"
        for _, problems in looked(bench, every, seed, lambda done, of, title=title: on_cut(title, done, of)):
            if problems:
                outcome.noticed[mutant.name] = problems[0]
                break
        else:
            outcome.problems.append(f"without the sync of {mutant.name} every state was a good one")
    return outcome


def looked(bench: Bench, every: int, seed: int, on_cut: Callable[[int, int], None]) -> Iterator[tuple[Cut, list[str]]]:
    """Each cut and what is wrong after it, in order; one by one, since a program that is being started anywhere in this process
    keeps the files of a disk open that is to be unmounted."""
    todo = list(cuts(bench.moments, every, SUBSETS, seed))
    for done, cut in enumerate(todo, start=1):
        yield cut, bench.look(cut)
        on_cut(done, len(todo))


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def format_disk(disk: Path) -> None:
    """What is left for later by default is done now: it would be noise in the log."""
    command = ["mke2fs", "-q", "-t", "ext4", "-b", str(BLOCK_BYTES), "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run([*command, str(disk), str(DISK_BYTES // BLOCK_BYTES)], check=True, capture_output=True)
    os.truncate(disk, DISK_BYTES + SAID_BYTES)


def read_pieces(disk: Path) -> Iterator[Piece]:
    with disk.open("rb") as file:
        while data := file.read(BLOCK_BYTES):
            yield from split(file.tell() - len(data), data)


def record(subject: Subject, scratch: Path, disk: Path, environment: dict[str, str], options: str) -> list[Entry]:
    """What a worker has the disk do that is killed halfway, and begun again for the other steps. Its stdout is the end of the same
    disk, so that what it says takes its place among the writes: after what it had waited for, and before what it does next."""
    log, killed = scratch / "log", subject.starts["crashed"]
    with served(disk, log, scratch / "served") as device, mount(device, scratch / "mounted", options) as mounted:
        said = os.open(device, os.O_WRONLY)
        try:
            os.lseek(said, DISK_BYTES, os.SEEK_SET)
            for first, last, how in ((0, killed, ["die"]), (killed, subject.steps, [])):
                command = [sys.executable, "-B", subject.worker, subject.place(mounted), str(first), str(last), *how]
                subprocess.run(command, stdout=said, check=False, env={**os.environ, **environment}, cwd=scratch)
        finally:
            os.close(said)
    with log.open("rb") as file:
        return read_log(file)


@contextmanager
def served(disk: Path, log: Path, at: Path) -> Iterator[Path]:
    """The disk as a file whose every write and flush goes into the log, too."""
    at.touch()
    log.touch()
    os.truncate(log, LOG_BYTES)
    files = [
        word
        for name, path in (("disk", disk), ("log", log))
        for word in ("--blockdev", f"driver=file,filename={path},node-name={name}")
    ]
    logged = ["--blockdev", "driver=blklogwrites,file=disk,log=log,log-sector-size=512,node-name=logged"]
    export = ["--export", f"type=fuse,id=export,node-name=logged,mountpoint={at},writable=on"]
    control = ["--chardev", "stdio,id=control", "--monitor", "chardev=control"]
    command = ["qemu-storage-daemon", *files, *logged, *export, *control]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if not process.stdout.readline():  # it greets when all is there
            raise RuntimeError("qemu-storage-daemon did not start")
        try:
            yield at
        finally:
            process.stdin.write(b'{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n')
            process.stdin.flush()


@contextmanager
def mount(disk: Path, at: Path, options: str = OPTIONS) -> Iterator[Path]:
    at.mkdir()
    subprocess.run(["mount", "-t", "ext4", "-o", options, disk, at], check=True, capture_output=True, text=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True, capture_output=True, text=True)


@contextmanager
def in_memory(directory: Path) -> Iterator[None]:
    """Have what is written there nowhere else: a disk that syncs would take most of the time."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)
