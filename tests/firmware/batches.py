"""Many models on an emulated core in one run of QEMU: ``firmware/ml/bench/batch.cc``."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from model_sketch import Case

MACHINES = {"mps2-an385": "Cortex-M3", "mps2-an500": "Cortex-M7", "mps3-an547": "Cortex-M55"}
PROGRAM = "edged_ml_batch"
BATCH_AT, BATCH_BYTES = 0x00010000, 0x70000  # MODEL of bench.ld
PATIENCE_S = 120
"""How long a batch may take on a busy machine; no measure of speed."""


def run_batch(program: Path, machine: str, cases: Sequence[Case]) -> list[tuple[int, list[bytes]]]:
    """For each case the Status that it was loaded with, and the bytes of every output of every invocation."""
    results = []
    for batch in _batches(cases):
        with tempfile.NamedTemporaryFile() as file:
            file.write(batch)
            file.flush()
            command = ["qemu-system-arm", "-M", machine, "-display", "none", "-monitor", "none", "-serial", "none"]
            command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(program)]
            command += ["-device", f"loader,file={file.name},addr={BATCH_AT:#x},force-raw=on"]
            done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
        results += _results((done.stdout or done.stderr).decode())
    return results


def _batches(cases: Sequence[Case]) -> list[bytes]:
    batches, batch = [], b""
    for case in cases:
        packed = _packed(case)
        if len(batch) + len(packed) + 16 > BATCH_BYTES:
            batches.append(batch + bytes(16))
            batch = b""
        batch += packed
    return [*batches, batch + bytes(16)]


def _packed(case: Case) -> bytes:
    inputs = b"".join(values.tobytes() for invocation in case.invocations for values in invocation)
    head = b"".join(number.to_bytes(4, "little") for number in (len(case.model), len(case.invocations), len(inputs), 0))
    return head + _filled(case.model) + _filled(inputs)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def _results(printed: str) -> list[tuple[int, list[bytes]]]:
    results: list[tuple[int, list[bytes]]] = []
    for line in printed.splitlines():
        word, _, rest = line.partition(" ")
        if word == "load":
            results.append((int(rest), []))
        else:
            assert word == "output", line
            results[-1][1].append(bytes.fromhex(rest))
    return results
