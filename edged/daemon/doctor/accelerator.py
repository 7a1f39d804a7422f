"""Accelerators: whether the device is there and may be opened, and its library loads. None is opened: it may be in use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edged.core.errors import DelegateFailed, ModelRejected
from edged.daemon.doctor.finding import Finding, Status
from edged.infer.bundle import load_bundle, resolve
from edged.infer.delegate import Accelerator, choose, loading_fix
from edged.infer.edgetpu import find_edgetpus, trouble
from edged.infer.settings import EdgeTpuSettings, ModelSettings

LOAD = (sys.executable, "-P", "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])")
"""Its own process: native code runs as soon as a library is loaded."""

LOAD_TIMEOUT_S = 60


def check_edgetpus(root: Path = Path("/")) -> Finding:
    """Which Edge TPUs the machine has, without a configuration that asks for one."""
    found = find_edgetpus(root)
    if not found:
        return Finding("edgetpu", "skip", "none is connected")
    if problem := trouble("", root):
        return Finding("edgetpu", "fail", *problem)
    accelerator = Accelerator("edgetpu", "edgetpu", EdgeTpuSettings().library)
    if said := _load(accelerator.library):
        return Finding("edgetpu", "fail", f"{found[0].node} is there, but {said}", loading_fix(accelerator, said))
    return Finding("edgetpu", "ok", ", ".join(f"{tpu.kind} {tpu.node}" for tpu in found))


def check_accelerator(name: str, settings: ModelSettings, root: Path = Path("/")) -> Iterator[Finding]:
    """Whether a configured model would get the accelerator that it is to have; nothing for a model of the CPU."""
    check = f"accelerator {name}"
    status: Status = "warn" if settings.delegate == "auto" else "fail"  # "auto" goes on without it
    try:
        accelerator = choose(settings, load_bundle(resolve(settings.bundle)).paths, root)
    except ModelRejected:
        return  # the finding about the model says it
    except DelegateFailed as error:
        yield Finding(check, status, error.message, error.hint)
        return
    if accelerator is None:
        return
    if said := _load(accelerator.library):
        yield Finding(check, status, said, loading_fix(accelerator, said))
    else:
        yield Finding(check, "ok", f"{accelerator.name} by {accelerator.library}")


def _load(library: str) -> str:
    """What the dynamic loader says against ``library``, "" if it loads."""
    try:
        done = subprocess.run((*LOAD, library), capture_output=True, text=True, check=False, timeout=LOAD_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"{library} does not load within {LOAD_TIMEOUT_S} s"
    if done.returncode < 0:
        return f"{library} ends whoever loads it, with signal {-done.returncode}"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"{library} does not load"])[-1]
