"""The directory in which events survive, and the store in it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from edged.core.errors import StoreFailed
from edged.daemon.condition import LEAST_FREE_BYTES
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import code_of, trouble
from edged.store.db import broken_aside
from edged.store.look import look

LEAST_FREE_MIB = LEAST_FREE_BYTES >> 20

CHECK_S = 8.0
"""For the pages of a store that was not closed in good order: a card reads 40 MB/s, a store has 256 MiB unless told otherwise."""

WAITED_S = 600.0
"""A broker that is restarted, or a Wi-Fi that is away for a moment, is no trouble."""


def free_mib(directory: Path) -> int:
    """Free space for this user on the file system of ``directory``, in MiB; raises OSError."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize >> 20


def check_state_directory(directory: Path) -> Finding:
    """Whether the state directory (or, before the first start, the place where it will be made) can be written."""
    name = "state"
    try:
        place = existing(directory)
        mode = place.stat().st_mode
    except OSError as error:
        return trouble(name, "state-unreachable", f"{directory}: {error.strerror}")
    if not stat.S_ISDIR(mode):
        return trouble(name, "state-no-directory", f"{place} is no directory")
    if not os.access(place, os.W_OK | os.X_OK):
        what = f"{place} cannot be written by user {os.geteuid()}"
        return trouble(name, "state-not-writable", what, f"chown it to that user: {place}")
    if place != directory:
        return Finding(name, "ok", f"{directory} will be made at the first start")
    if mode & stat.S_IWOTH:
        return trouble(name, "state-open-to-others", f"everyone can write to {directory}", f"chmod o-w {directory}")
    return Finding(name, "ok", f"{directory} can be written")


def check_disk(directory: Path, store_mib: int, free: Callable[[Path], int] = free_mib) -> Finding:
    """Whether the store can grow to its bound of ``store_mib``."""
    try:
        found = free(existing(directory))
    except OSError:
        return Finding("disk", "skip", f"{directory} cannot be reached")
    if found < LEAST_FREE_MIB:
        return trouble("disk", "disk-full", f"{found} MiB free for {directory}")
    if found < store_mib:
        what = f"{found} MiB free for {directory}, less than the {store_mib} MiB that the store may take"
        return trouble("disk", "disk-low", what)
    return Finding("disk", "ok", f"{found} MiB free for {directory}")


def check_store(directory: Path, now_s: Callable[[], float] = time.time) -> Finding:
    """What is in the store, and how long its oldest event has been waiting for the broker."""
    path = directory / "events.db"
    try:
        held = look(path, CHECK_S)
    except StoreFailed as error:
        return trouble("store", code_of("store", error.fault), error.message, error.hint)
    if held is None:
        return Finding("store", "skip", f"{directory} holds none yet")
    waited_s = 0.0 if held.waiting_since_ms is None else now_s() - held.waiting_since_ms / 1e3
    if waited_s > WAITED_S:
        return trouble(
            "store", "events-waiting", f"{held.queued} events wait for the broker, the oldest for {waited_s / 60:.0f} min"
        )
    if broken_aside(path).exists():
        return trouble("store", "store-was-damaged", f"{broken_aside(path)} is what became of an earlier one")
    waiting = f", {held.queued} of them wait for the broker" if held.queued else ""
    dropped = f"; {held.dropped} were dropped before they were delivered" if held.dropped else ""
    return Finding("store", "ok", f"{held.events} events{waiting}{dropped}")


def existing(path: Path) -> Path:
    """``path`` or its nearest parent that exists; raises OSError where that cannot be told."""
    for place in (path, *path.absolute().parents):
        if place.exists():
            return place
    return path
