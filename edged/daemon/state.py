"""The state directory: made for its owner alone, and used by one daemon at a time.

Nothing is written here: a daemon must start on a full disk, where the store knows how to make room.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edged.core.errors import OutputUnwritable, StateInUse

HINT = "[device] state_directory names another"


@contextmanager
def claimed(path: Path) -> Iterator[Path]:
    """Make the directory if it is missing and lock it; raises StateInUse or OutputUnwritable.

    The kernel lets go of the lock with the process, however that ends; a file with a number in it would have to be judged stale.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise OutputUnwritable(f"{path}: cannot be made or read: {error.strerror}", hint=HINT) from error
    try:
        _lock(fd, path)
        yield path
    finally:
        os.close(fd)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateInUse(f"{path} is in use by another edged{holder(path)}", hint=f"stop that one, or {HINT}") from error
    except OSError as error:
        raise OutputUnwritable(f"{path}: cannot be locked: {error.strerror}", hint=HINT) from error


def holder(path: Path) -> str:
    """`` (pid 123)`` of who holds the lock, as far as the kernel tells (proc_locks(5)); nothing is locked to find out."""
    try:
        status = path.stat()
        lock = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return ""
    return next((f" (pid {row[4]})" for row in rows if row[1] == "FLOCK" and row[5] == lock and int(row[4]) > 0), "")
