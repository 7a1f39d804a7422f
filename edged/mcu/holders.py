"""Who has a device open, as far as /proc lets us see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def holder(device: Path, proc: Path = Path("/proc")) -> str:
    """``NAME (pid N)`` of a process other than this one that has it open; empty if none is seen."""
    real = os.path.realpath(device)
    for pid in _processes(proc):
        try:
            for descriptor in (pid / "fd").iterdir():
                if str(descriptor.readlink()) == real:
                    return f"{(pid / 'comm').read_text().strip()} (pid {pid.name})"
        except OSError:  # another user's, or gone meanwhile
            continue
    return ""


def _processes(proc: Path) -> Iterator[Path]:
    own = str(os.getpid())
    try:
        entries = sorted(proc.iterdir())
    except OSError:
        return
    yield from (entry for entry in entries if entry.name.isdigit() and entry.name != own)
