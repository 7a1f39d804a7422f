"""What of this machine matters to a model: its processor, and the memory that is free. No numpy."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

MAX_MEMORY_BYTES = 2 << 30
"""No model that a Pi runs well takes more, however much is free."""

_CPU_FIELDS = frozenset({"model name", "flags", "Features", "CPU implementer", "CPU part", "Revision"})


def processor(cpuinfo: str) -> str:
    """A digest of the kind of processor, from the text of /proc/cpuinfo: kernels are chosen by its features."""
    facts = {line for line in cpuinfo.splitlines() if line.partition(":")[0].strip() in _CPU_FIELDS}
    return hashlib.sha256("\n".join([platform.machine(), *sorted(facts)]).encode()).hexdigest()


def this_processor() -> str:
    """``processor`` of this machine."""
    return processor(_read(Path("/proc/cpuinfo")))


def free_bytes() -> int:
    """Memory that a model may take now: what the kernel and the control group of this process have left, at most 2 GiB."""
    fields = dict(line.split(":", 1) for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line)
    free = [MAX_MEMORY_BYTES]
    if "MemAvailable" in fields:
        free.append(int(fields["MemAvailable"].split()[0]) * 1024)
    group = next((line[3:] for line in _read(Path("/proc/self/cgroup")).splitlines() if line.startswith("0::")), "")
    directory = Path("/sys/fs/cgroup" + group)
    limit, used = _read(directory / "memory.max").strip(), _read(directory / "memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free.append(max(0, int(limit) - int(used) + _file_cache(directory)))
    return min(free)


def _file_cache(group: Path) -> int:
    """Pages of files that the group holds and that are dropped when memory is asked for."""
    stat = dict(line.split() for line in _read(group / "memory.stat").splitlines() if line.count(" ") == 1)
    return int(stat.get("inactive_file", 0))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
