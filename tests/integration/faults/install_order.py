"""Is an update on the medium before it is said to be? Told from the order of system calls, as ``order.py`` tells it of the store.

What gives a thing its name is a rename: whatever is under the old name has to be on the medium before, and the name itself before
the step is confirmed. A bundle loses its name, for sure, before its first file goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePath

from faults.calls import traced
from faults.killed_install import SUBJECT

LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<arguments>.*)\) += +(?P<result>\d+)")
DESCRIPTOR = re.compile(r"^(\d+)<([^>]*)>")
NAMES = re.compile(r'(?:\w+<([^>]*)>, )?"([^"]*)"')


def record(place: Path, environment: dict[str, str]) -> list[str]:
    """The system calls of an installer that does all its steps; a write to stdout is a confirmation."""
    log = place.with_name("strace.log")
    options = ["-y", "-s", "4096", "-e", f"trace={','.join(f'?{name}' for name in (*SUBJECT.calls, 'openat'))}", "-o", str(log)]
    done = traced(SUBJECT, place, 0, options, environment)
    assert done.returncode == 0, done.stderr
    assert [int(line) for line in done.stdout.split()] == list(range(1, SUBJECT.steps + 1))
    return log.read_text().splitlines()


class Medium:
    """Follows what the medium holds for sure of all below ``place``. ``problems`` tells of promises that came before that."""

    def __init__(self, place: Path) -> None:
        self.confirmed = 0
        self.problems: list[str] = []
        self._place = str(place)
        self._unsynced: set[str] = set()  # files with content, and directories with names, that may be lost

    def follow(self, lines: Iterable[str]) -> None:
        for line in lines:
            if (found := LINE.match(line)) is not None:
                self._on_call(found["call"], found["arguments"])

    def _on_call(self, call: str, arguments: str) -> None:
        descriptor = DESCRIPTOR.match(arguments)
        file = descriptor[2] if descriptor else ""
        names = [str(PurePath(directory, name)) for directory, name in NAMES.findall(arguments)]
        if call == "write" and descriptor and descriptor[1] == "1":
            self._confirm()
        elif call in {"write", "ftruncate"}:
            self._touch(file)
        elif call in {"fsync", "fdatasync"}:
            self._unsynced.discard(file)
        elif call.startswith("rename"):
            self._rename(*names)
        elif call.startswith("mkdir") or (call == "openat" and "O_CREAT" in arguments):
            self._touch(names[0], str(PurePath(names[0]).parent))
        elif call.startswith("unlink"):
            self._remove(names[0])

    def _touch(self, *paths: str) -> None:
        self._unsynced |= {path for path in paths if PurePath(path).is_relative_to(self._place)}

    def _under(self, path: str) -> set[str]:
        return {it for it in self._unsynced if PurePath(it).is_relative_to(path)}

    def _rename(self, old: str, new: str) -> None:
        if lost := self._under(old):
            self.problems.append(f"{PurePath(new).name[:8]} gets its name before {len(lost)} of its parts are on the medium")
        if PurePath(new).name == "slots" and (lost := self._under(f"{self._place}/blobs")):
            self.problems.append(f"the slots name what may be lost: {sorted(PurePath(it).name[:12] for it in lost)}")
        self._unsynced -= self._under(old)
        self._touch(str(PurePath(new).parent))

    def _remove(self, path: str) -> None:
        if PurePath(path).is_relative_to(f"{self._place}/blobs") and f"{self._place}/blobs" in self._unsynced:
            self.problems.append("files go of a bundle that may still have its name")
        self._unsynced.discard(path)

    def _confirm(self) -> None:
        self.confirmed += 1
        if self._place in self._unsynced:
            self.problems.append(f"step {self.confirmed} is confirmed while its slots may be lost")
