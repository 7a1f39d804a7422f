"""The directory in which events survive."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from edged.daemon.condition import LEAST_FREE_BYTES
from edged.daemon.doctor.finding import Finding

LEAST_FREE_MIB = LEAST_FREE_BYTES >> 20


def free_mib(directory: Path) -> int:
    """Free space for this user on the file system of ``directory``, in MiB; raises OSError."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize >> 20


def check_state_directory(directory: Path) -> Finding:
    """Whether the state directory (or, before the first start, the place where it will be made) can be written."""
    try:
        place = existing(directory)
        mode = place.stat().st_mode
    except OSError as error:
        return Finding("state", "fail", f"{directory}: {error.strerror}", "Set state_directory in [device].")
    if not stat.S_ISDIR(mode):
        return Finding("state", "fail", f"{place} is no directory", "Set state_directory in [device] to one.")
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding("state", "fail", f"{place} cannot be written by user {os.geteuid()}", f"chown it to that user: {place}")
    if place != directory:
        return Finding("state", "ok", f"{directory} will be made at the first start")
    if mode & stat.S_IWOTH:
        return Finding("state", "warn", f"everyone can write to {directory}", f"chmod o-w {directory}")
    return Finding("state", "ok", f"{directory} can be written")


def check_disk(directory: Path, store_mib: int, free: Callable[[Path], int] = free_mib) -> Finding:
    """Whether the store can grow to its bound of ``store_mib``."""
    try:
        found = free(existing(directory))
    except OSError as error:
        return Finding("disk", "fail", f"{directory}: {error.strerror}", "Set state_directory in [device].")
    if found < LEAST_FREE_MIB:
        return Finding(
            "disk", "fail", f"{found} MiB free for {directory}", f"Free some: {LEAST_FREE_MIB} MiB is the least to run with."
        )
    if found < store_mib:
        what = f"{found} MiB free for {directory}, less than the {store_mib} MiB that the store may take"
        return Finding("disk", "warn", what, "Free some, or lower max_mb in [store].")
    return Finding("disk", "ok", f"{found} MiB free for {directory}")


def existing(path: Path) -> Path:
    """``path`` or its nearest parent that exists; raises OSError where that cannot be told."""
    for place in (path, *path.absolute().parents):
        if place.exists():
            return place
    return path
