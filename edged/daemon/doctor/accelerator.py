"""Accelerators: whether the device is there and may be opened, and its library loads. None is opened: it may be in use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edged.core.errors import DelegateFailed, ModelRejected
from edged.daemon.doctor.finding import Finding, Status
from edged.daemon.doctor.table import code_of, trouble
from edged.infer import edgetpu
from edged.infer.bundle import load_bundle, resolve
from edged.infer.delegate import Accelerator, choose, loading_failure
from edged.infer.settings import EdgeTpuSettings, ModelSettings

LOAD = (sys.executable, "-P", "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])")
"""Its own process: native code runs as soon as a library is loaded."""

LOAD_S = 60.0


def check_edgetpus(root: Path = Path("/")) -> Finding:
    """Which Edge TPUs the machine has, without a configuration that asks for one."""
    found = edgetpu.find_edgetpus(root)
    if not found:
        return Finding("edgetpu", "skip", "none is connected")
    if problem := edgetpu.trouble("", root) or _loading_failure(Accelerator("edgetpu", "edgetpu", EdgeTpuSettings().library)):
        return _failed("edgetpu", "fail", problem)
    return Finding("edgetpu", "ok", ", ".join(f"{tpu.kind} {tpu.node}" for tpu in found))


def check_accelerator(name: str, settings: ModelSettings, root: Path = Path("/")) -> list[Finding]:
    """Whether a configured model would get the accelerator that it is to have; nothing for a model of the CPU."""
    check = f"accelerator {name}"
    status: Status = "warn" if settings.delegate == "auto" else "fail"  # "auto" goes on without it
    try:
        accelerator = choose(settings, load_bundle(resolve(settings.bundle)).paths, root)
    except ModelRejected:
        return []  # the finding about the model says it
    except DelegateFailed as error:
        return [_failed(check, status, error)]
    if accelerator is None:
        return []
    if problem := _loading_failure(accelerator):
        return [_failed(check, status, problem)]
    return [Finding(check, "ok", f"{accelerator.name} by {accelerator.library}")]


def _failed(check: str, status: Status, error: DelegateFailed) -> Finding:
    return trouble(check, code_of("accelerator", error.fault), error.message, error.hint, status)


def _loading_failure(accelerator: Accelerator) -> DelegateFailed | None:
    """Why the library of ``accelerator`` does not load, ``None`` if it does."""
    library = accelerator.library
    try:
        done = subprocess.run((*LOAD, library), capture_output=True, text=True, check=False, timeout=LOAD_S)
    except subprocess.TimeoutExpired:
        return DelegateFailed(f"{library} does not load within {LOAD_S:.0f} s", fault="library crashes")
    if done.returncode < 0:
        return DelegateFailed(f"{library} ends whoever loads it, with signal {-done.returncode}", fault="library crashes")
    if done.returncode == 0:
        return None
    return loading_failure(accelerator, (done.stderr.strip().splitlines() or ["no reason is given"])[-1])
