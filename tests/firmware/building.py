"""Programs of firmware/, built once and shared by all tests: CMake and Ninja do nothing for what is up to date."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
BUILDS = FIRMWARE.parent / "build" / "firmware"
JOBS = 2
"""Compilers at a time: as many as the smallest machine that this is tested on has cores."""


def need_tools(preset: str) -> None:
    """Skip where there is nothing to build with, except in CI."""
    wanted = ["cmake", "ninja"]
    if preset in {"host-asan", "fuzz-32"}:
        wanted.append("clang++")
    elif preset != "host":
        wanted.append("arm-none-eabi-g++")
    missing = [tool for tool in wanted if shutil.which(tool) is None]
    if missing:
        message = f"no {', '.join(missing)} to build the firmware with: scripts/test installs them"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, cwd=FIRMWARE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}:\n{done.stdout[-6000:]}")


@functools.cache
def _configured(preset: str) -> Path:
    _run(["cmake", "--preset", preset, f"-DEDGED_PYTHON={sys.executable}"])
    return BUILDS / preset


@functools.cache
def built(preset: str, target: str) -> Path:
    """The program ``target`` of a preset of CMakePresets.json; skips where there is nothing to build with, except in CI."""
    need_tools(preset)
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / f"{preset}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other workers of this run, and whoever else builds here
        directory = _configured(preset)
        _run(["cmake", "--build", directory, "--target", target, "-j", str(JOBS)])
    return directory / target


def development_key(preset: str) -> Path:
    """The private key that the loader of a preset trusts in builds of tests, as PEM. Call it after ``built``."""
    return BUILDS / preset / "development-key.pem"
