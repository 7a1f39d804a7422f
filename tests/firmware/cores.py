"""The engine's measuring program on emulated cores: ``firmware/ml/bench`` under QEMU, instructions counted."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CORES = {"mps2-an385": "Cortex-M3", "mps2-an500": "Cortex-M7", "mps3-an547": "Cortex-M55"}
BENCH = "edged_ml_bench"

_MODEL_AT, _INPUTS_AT = 0x00010000, 0x20060000  # bench.ld
_MODEL_BYTES, _INPUTS_BYTES = 0x70000, 0x20000


@dataclass(frozen=True, slots=True)
class Measured:
    """What one core made of one model: outputs as raw bytes, one for each input."""

    arena_bytes: int
    instructions: list[int]
    outputs: list[bytes]


class CoreFailed(Exception):
    """The program on the core refused the model, or stopped; says what it printed."""


def run(program: Path, machine: str, model: bytes, inputs: Sequence[bytes], timeout_s: float = 120.0) -> Measured:
    """Invokes the model once for each input."""
    job = len(model).to_bytes(4, "little") + len(inputs).to_bytes(4, "little") + b"".join(inputs)
    assert len(model) <= _MODEL_BYTES and len(job) <= _INPUTS_BYTES
    with tempfile.TemporaryDirectory() as directory:
        files = {_MODEL_AT: Path(directory, "model"), _INPUTS_AT: Path(directory, "job")}
        files[_MODEL_AT].write_bytes(model)
        files[_INPUTS_AT].write_bytes(job)
        loaders = [f"loader,file={path},addr={address:#x},force-raw=on" for address, path in files.items()]
        command = ["qemu-system-arm", "-M", machine, "-display", "none", "-monitor", "none", "-serial", "none"]
        command += ["-semihosting-config", "enable=on,target=native", "-icount", "shift=0", "-kernel", str(program)]
        command += [argument for loader in loaders for argument in ("-device", loader)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL, check=False)
    printed = done.stdout + done.stderr
    if done.returncode != 0 or len(outputs := re.findall(r"^output (.*)$", printed, re.M)) != len(inputs):
        raise CoreFailed(f"{machine}: exit {done.returncode}: {printed}")
    instructions, ticks = map(int, re.search(r"^calibration (\d+) (\d+)$", printed, re.M).groups())  # type: ignore[union-attr]
    arena = int(re.search(r"^arena (\d+)$", printed, re.M)[1])  # type: ignore[index]
    taken = [round(int(one) * instructions / ticks) for one in re.findall(r"^ticks (\d+)$", printed, re.M)]
    return Measured(arena, taken, [bytes(map(int, one.split())) for one in outputs])
