"""What the machine says of itself: temperatures, throttling, space, and what our processes use. Linux, by /proc and /sys.

Every reader takes the root of the file system, so that it can be shown another machine. What cannot be read is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

THROTTLED = "sys/devices/platform/soc*/*firmware/get_throttled"
"""Where the Pi's kernel shows what ``vcgencmd get_throttled`` prints, in hexadecimal; boards differ in the names on the way."""

THROTTLING = {"undervoltage": 0x1, "frequency_capped": 0x2, "throttled": 0x4, "soft_temperature_limit": 0x8}
"""Bits of get_throttled; the same 16 bits higher mean "since boot"
(https://www.raspberrypi.com/documentation/computers/os.html#get_throttled)."""

ProcessName = Literal["main", "vision"]

MAX_SENSORS = 16
TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Throttling:
    """Names of ``THROTTLING`` that hold now, and that held at some time since boot."""

    now: tuple[str, ...]
    since_boot: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What a process uses; ``cpu_s`` since it started, ``started`` is the kernel's mark of when that was."""

    cpu_s: float
    rss_bytes: int
    threads: int
    fds: int
    started: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Temperatures in degrees Celsius by sensor; ``None`` for what this machine does not tell."""

    temperatures: dict[str, float] = field(default_factory=dict)
    throttling: Throttling | None = None
    disk_free_bytes: int | None = None


def read_machine(directory: Path, root: Path = Path("/")) -> Machine:
    """What is told now; ``directory`` is on the disk in question. Blocks for as long as the kernel does."""
    try:
        throttling = read_throttling(root)
    except (OSError, ValueError):
        throttling = None
    try:
        status = os.statvfs(directory)
        free_bytes = status.f_bavail * status.f_frsize
    except OSError:
        free_bytes = None
    return Machine(read_temperatures(root), throttling, free_bytes)


def read_throttling(root: Path = Path("/")) -> Throttling | None:
    """What a Pi's firmware says, ``None`` for machines without; raises OSError and ValueError where it cannot be understood."""
    bits = next((int(file.read_text().strip(), 16) for file in root.glob(THROTTLED)), None)
    if bits is None:
        return None
    return Throttling(
        tuple(name for name, bit in THROTTLING.items() if bits & bit),
        tuple(name for name, bit in THROTTLING.items() if bits & bit << 16),
    )


def read_temperatures(root: Path = Path("/")) -> dict[str, float]:
    """By the kernel's names: thermal zones, and sensors of devices that are not such zones too."""
    found: dict[str, float] = {}
    for name, value in islice(_sensors(root), MAX_SENSORS):
        try:
            celsius = int(value.read_text()) / 1000
        except (OSError, ValueError):  # some answer only while their device is awake
            continue
        found.setdefault(name, celsius)
    return found


def _sensors(root: Path) -> Iterator[tuple[str, Path]]:
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
        yield _name(zone / "type"), zone / "temp"
    for monitor in sorted(root.glob("sys/class/hwmon/hwmon*")):
        values = sorted(monitor.glob("temp*_input"))
        for value in values:
            number = f"-{value.name.removesuffix('_input').removeprefix('temp')}" if len(values) > 1 else ""
            yield _name(monitor / "name") + number, value


def _name(file: Path) -> str:
    """A zone ``cpu-thermal`` is shown as the device ``cpu_thermal`` as well."""
    try:
        return file.read_text().strip().replace("_", "-")
    except (OSError, UnicodeDecodeError):
        return file.parent.name


def read_process(pid: int, root: Path = Path("/")) -> ProcessUse | None:
    """What a process uses now, ``None`` if it is gone. Fields of /proc/PID/stat: proc(5)."""
    directory = root / "proc" / str(pid)
    try:
        values = (directory / "stat").read_bytes().rpartition(b")")[2].split()  # from the third on; the name may hold anything
        fds = len(os.listdir(directory / "fd"))  # noqa: PTH208 - some hundred Path objects a look
    except OSError:
        return None
    user, system, threads, started, pages = (int(values[index - 3]) for index in (14, 15, 20, 22, 24))
    return ProcessUse((user + system) / TICKS_S, pages * PAGE_BYTES, threads, fds, started)
