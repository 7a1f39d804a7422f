"""Is a commit on the medium before it is confirmed? Told from the order of system calls, since only a power cut would show it
otherwise: a process that dies takes nothing with it of what the kernel has still to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from faults.calls import traced
from faults.killed_store import SUBJECT
from faults.worker import STEPS

BEGUN = re.compile(r"^(?P<thread>\d+) +(?P<call>\w+)\((?P<arguments>.*)$")
RESUMED = re.compile(r"^(?P<thread>\d+) +<\.\.\. (?P<call>\w+) resumed>")
DESCRIPTOR = re.compile(r"^(\d+)<([^>]*)>")
NAME = re.compile(r'"([^"]*)"')


def record(database: Path, environment: dict[str, str]) -> list[str]:
    """The system calls of a worker that does all its steps on a new store; a write to stdout is a confirmation."""
    log = database.with_name("strace.log")
    done = traced(SUBJECT, database, 0, ["-y", "-o", str(log)], environment)
    done.check_returncode()
    assert [int(line) for line in done.stdout.split()] == list(range(1, len(STEPS) + 1))
    return log.read_text().splitlines()


class Medium:
    """Follows what of a store's files the medium holds for sure. ``problems`` tells of promises that came before that."""

    def __init__(self, database: Path) -> None:
        self.confirmed = 0
        self.problems: list[str] = []
        self._database = str(database)
        self._journals = (f"{database}-wal", f"{database}-journal")
        self._directory = str(database.parent)
        self._written: set[str] = set()  # since their last sync
        self._created: set[str] = set()  # since the directory's last sync
        self._under_way: dict[str, str] = {}  # by thread: the file that it syncs

    def follow(self, lines: Iterable[str]) -> None:
        for line in lines:
            if (found := BEGUN.match(line)) is not None:
                self._begin(found["thread"], found["call"], found["arguments"])
            elif (found := RESUMED.match(line)) is not None and (file := self._under_way.pop(found["thread"], "")):
                self._synced(file)

    def _begin(self, thread: str, call: str, arguments: str) -> None:
        descriptor, name = DESCRIPTOR.match(arguments), NAME.search(arguments)
        file = descriptor[2] if descriptor else name[1] if name else ""
        if call == "write" and descriptor and descriptor[1] == "1":
            self._confirm()
        elif call == "openat" and "O_CREAT" in arguments and name:
            self._created.add(name[1])
        elif call in {"write", "pwrite64"}:
            self._written.add(file)
        elif call in {"fsync", "fdatasync"} and arguments.endswith("<unfinished ...>"):
            self._under_way[thread] = file
        elif call in {"fsync", "fdatasync"}:
            self._synced(file)
        elif call in {"unlink", "unlinkat", "ftruncate"} and file in self._journals:
            self._created.discard(file)
            if self._database in self._written:
                self.problems.append(f"{file} is given up before what it held is in the database for sure")

    def _synced(self, file: str) -> None:
        self._written.discard(file)
        if file == self._directory:
            self._created.clear()

    def _confirm(self) -> None:
        self.confirmed += 1
        for file in (self._database, self._journals[0]):
            if file in self._created:
                self.problems.append(f"step {self.confirmed} is confirmed while the name {file} may be lost")
        if self._journals[0] in self._written:
            self.problems.append(f"step {self.confirmed} is confirmed before its commit is on the medium")
