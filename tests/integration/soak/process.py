"""What the kernel knows of a process: memory, descriptors, threads, CPU (proc(5))."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment (``at_s``, CLOCK_MONOTONIC). PSS shares what several processes map; ``cpu_s`` since its start."""

    process: str
    pid: int
    at_s: float
    rss_mb: float
    pss_mb: float
    fds: int
    threads: int
    cpu_s: float


def look(process: str, pid: int) -> Sample:
    """Look at a process now; raises OSError if it is gone."""
    directory = Path(f"/proc/{pid}")
    rollup = dict(line.split(":", 1) for line in (directory / "smaps_rollup").read_text().splitlines()[1:])
    after_name = (directory / "stat").read_text().rpartition(")")[2].split()
    return Sample(
        process,
        pid,
        time.monotonic(),
        rss_mb=_mb(rollup["Rss"]),
        pss_mb=_mb(rollup["Pss"]),
        fds=len(os.listdir(directory / "fd")),  # noqa: PTH208
        threads=int(after_name[17]),
        cpu_s=(int(after_name[11]) + int(after_name[12])) * TICK_S,
    )


def _mb(text: str) -> float:
    return int(text.split(maxsplit=1)[0]) * 1024 / 1e6
