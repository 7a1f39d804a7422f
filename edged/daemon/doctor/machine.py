"""The machine itself: interpreter, runtime, clock, power."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edged.daemon.clock import discipline, quality_of
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import trouble
from edged.daemon.machine import read_throttling
from edged.infer.settings import RuntimeName

SUPPORTED_PYTHONS = ((3, 11), (3, 12), (3, 13))

RUNTIME_CHECK = (sys.executable, "-P", "-m", "edged.infer.runtime_check")
"""To be followed by the runtime's name. Its own process: a runtime that does not suit the CPU ends the process that loads it."""

RUNTIME_S = 120.0
"""The first import of the runtime from a slow SD card takes a Pi Zero 2 tens of seconds."""

WORDS = {
    "undervoltage": "under-voltage",
    "frequency_capped": "CPU frequency capped",
    "throttled": "throttled",
    "soft_temperature_limit": "soft temperature limit reached",
}


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Whether this is a Python that edged is tested on."""
    what = f"Python {platform.python_version() if version == sys.version_info[:2] else '.'.join(map(str, version))}"
    if version in SUPPORTED_PYTHONS:
        return Finding("python", "ok", what)
    return trouble("python", "python-unsupported", f"{what} is not one that edged is tested on")


def check_runtime(
    runtime: RuntimeName = "litert", command: tuple[str, ...] = RUNTIME_CHECK, within_s: float = RUNTIME_S
) -> Finding:
    """Whether ``runtime`` runs a tiny model in a process of its own, and whether XNNPACK takes it over."""
    name = "runtime" if runtime == "litert" else f"runtime {runtime}"
    try:
        done = subprocess.run((*command, runtime), capture_output=True, text=True, check=False, timeout=within_s)
    except subprocess.TimeoutExpired:
        return trouble(name, "runtime-hangs", f"a tiny model did not run within {within_s:g} s")
    if done.returncode < 0:
        return trouble(name, "runtime-crashes", f"{runtime} ended with signal {-done.returncode}")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return trouble(name, "runtime-broken", f"{runtime} does not run: {reason}")
    info = json.loads(done.stdout.splitlines()[-1])
    if info["delegate_nodes"] == 0:
        return trouble(name, "runtime-without-xnnpack", f"{info['runtime']} runs without XNNPACK, many times slower")
    return Finding(name, "ok", f"{info['runtime']} with {info['delegate']}")


def check_clock(read: Callable[[], tuple[int, int]] = discipline) -> Finding:
    """Whether something disciplines the wall clock."""
    try:
        quality = quality_of(*read())
    except OSError as error:
        return trouble("clock", "clock-unreadable", f"the kernel does not say whether it is synchronised: {error.strerror}")
    if quality == "synchronised":
        return Finding("clock", "ok", "synchronised")
    what = "not synchronised: events carry times that may be wrong, and are marked so"
    return trouble("clock", "clock-unsynchronised", what)


def check_power(root: Path = Path("/")) -> Finding:
    """Whether a Pi is short of volts or too hot, now or since it was switched on."""
    try:
        throttling = read_throttling(root)
    except (OSError, ValueError) as error:
        return trouble("power", "power-unreadable", f"the firmware's report on throttling cannot be read: {error}")
    if throttling is None:
        return Finding("power", "skip", "this machine does not report throttling")
    code = "power-under-voltage" if "undervoltage" in throttling.now + throttling.since_boot else "power-throttled"
    for when, names in (("now", throttling.now), ("since the start", throttling.since_boot)):
        if names:
            return trouble("power", code, f"{when}: {', '.join(WORDS[name] for name in names)}")
    return Finding("power", "ok", "no under-voltage and no throttling since the start")
