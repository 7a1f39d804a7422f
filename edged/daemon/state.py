"""The state directory: made for its owner alone, and used by one daemon at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edged.core.errors import OutputUnwritable, StateInUse

LOCK_NAME = "lock"
HINT = "[device] state_directory names another"


@contextmanager
def claimed(path: Path) -> Iterator[Path]:
    """Make the directory if it is missing and hold it; raises StateInUse or OutputUnwritable.

    The kernel lets go of the lock with the process, however that ends: a file alone would have to be judged stale.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise OutputUnwritable(f"{path}: cannot be made or written: {error.strerror}", hint=HINT) from error
    try:
        _lock(fd, path)
        yield path
    finally:
        os.close(fd)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(fd, 20, 0).decode(errors="replace").strip()
        who = f"edged (pid {holder})" if holder.isdigit() else "edged"
        raise StateInUse(f"{path} is in use by another {who}", hint=f"stop that one, or {HINT}") from error
    except OSError as error:
        raise OutputUnwritable(f"{path / LOCK_NAME}: {error.strerror}", hint=HINT) from error
