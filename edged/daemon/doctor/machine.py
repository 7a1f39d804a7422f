"""The machine itself: interpreter, runtime, clock, power."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edged.core.problem import PROBLEMS
from edged.daemon.clock import discipline, quality_of
from edged.daemon.doctor.finding import Finding, Status
from edged.daemon.machine import read_throttling
from edged.infer.settings import RuntimeName

SUPPORTED_PYTHONS = ((3, 11), (3, 12), (3, 13))

RUNTIME_CHECK = (sys.executable, "-P", "-m", "edged.infer.runtime_check")
"""To be followed by the runtime's name. Its own process: a runtime that does not suit the CPU ends the process that loads it."""

RUNTIME_TIMEOUT_S = 120
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
    names = ", ".join(".".join(map(str, supported)) for supported in SUPPORTED_PYTHONS)
    return Finding("python", "fail", f"{what} is not one that edged is tested on", f"Use one of {names}.")


def check_runtime(runtime: RuntimeName = "litert", command: tuple[str, ...] = RUNTIME_CHECK) -> Finding:
    """Whether ``runtime`` runs a tiny model in a process of its own, and whether XNNPACK takes it over."""

    def finding(status: Status, what: str, fix: str = "") -> Finding:
        return Finding("runtime" if runtime == "litert" else f"runtime {runtime}", status, what, fix)

    try:
        done = subprocess.run((*command, runtime), capture_output=True, text=True, check=False, timeout=RUNTIME_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return finding("fail", f"a tiny model did not run within {RUNTIME_TIMEOUT_S} s", "Look for a failing SD card in dmesg.")
    if done.returncode < 0:
        return finding(
            "fail", f"{runtime} ended with signal {-done.returncode}", "Its build does not suit this CPU: take a 64-bit one."
        )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return finding("fail", f"{runtime} does not run: {reason}", "Install edged and its dependencies again.")
    info = json.loads(done.stdout.splitlines()[-1])
    if info["delegate_nodes"] == 0:
        fix = "It reads /proc/cpuinfo; a unit with ProcSubset=pid hides that."
        return finding("warn", f"{info['runtime']} runs without XNNPACK, many times slower", fix)
    return finding("ok", f"{info['runtime']} with {info['delegate']}")


def check_clock(read: Callable[[], tuple[int, int]] = discipline) -> Finding:
    """Whether something disciplines the wall clock."""
    try:
        quality = quality_of(*read())
    except OSError as error:
        return Finding("clock", "warn", f"the kernel does not say whether it is synchronised: {error.strerror}")
    if quality == "synchronised":
        return Finding("clock", "ok", "synchronised")
    what = "not synchronised: events carry times that may be wrong, and are marked so"
    return Finding("clock", "warn", what, PROBLEMS["clock_unsynchronised"].fix)


def check_power(root: Path = Path("/")) -> Finding:
    """Whether a Pi is short of volts or too hot, now or since it was switched on."""
    try:
        throttling = read_throttling(root)
    except (OSError, ValueError) as error:
        return Finding("power", "warn", f"the firmware's report on throttling cannot be read: {error}")
    if throttling is None:
        return Finding("power", "skip", "this machine does not report throttling")
    starved = "undervoltage" in throttling.now + throttling.since_boot
    fix = PROBLEMS["undervoltage" if starved else "throttled"].fix
    for when, names in (("now", throttling.now), ("since the start", throttling.since_boot)):
        if names:
            return Finding("power", "warn", f"{when}: {', '.join(WORDS[name] for name in names)}", fix)
    return Finding("power", "ok", "no under-voltage and no throttling since the start")
