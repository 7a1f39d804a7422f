"""What TensorFlow Lite Micro itself answers, on this machine: the judge of what a board does.

It runs in a process of its own (``mcu_judge``): a model that it dies of is refused, and ends nothing else.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edged.core.errors import ModelRejected, ProcessNotStarted
from edged.core.signals import signal_name
from edged.infer.graph import Graph
from edged.mcu.info import TensorInfo
from edged.tooling.mcu_judge import Answer, Question

WITHOUT = "`edged mcu sign --no-golden` signs a model without its answers, `edged mcu bench` without --model measures without them."
LAST_LINES = 2
"""So much of what it printed before it died is repeated."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The outputs of each inference, and how long the fastest took."""

    outputs: tuple[tuple[bytes, ...], ...]
    fastest_us: float


def available() -> bool:
    """Whether the package `tflite-micro` is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def input_tensors(model: Path) -> tuple[TensorInfo, ...]:
    """What goes into a .tflite file, in order; raises ModelRejected."""
    return _ask(model, ()).inputs


def run_reference(model: Path, inferences: Sequence[Sequence[bytes]]) -> Reference:
    """Run a .tflite file there, once for the inputs of each inference; raises ModelRejected.

    In their order, from a fresh start: a model may remember what it saw.
    """
    answer = _ask(model, (inferences,))
    return Reference(answer.runs[0], answer.fastest_us)


def run_afresh(model: Path, inferences: Sequence[Sequence[bytes]]) -> tuple[tuple[bytes, ...], ...]:
    """The outputs of each inference, each of an interpreter that remembers none of the others; raises ModelRejected."""
    return tuple(outputs for (outputs,) in _ask(model, tuple((inputs,) for inputs in inferences)).runs)


def _ask(model: Path, runs: Sequence[Sequence[Sequence[bytes]]]) -> Answer:
    try:
        data = model.read_bytes()
    except OSError as error:
        raise ModelRejected(f"{model}: {error.strerror}", fault="unreadable") from error
    _ = Graph.read(data, str(model)).main  # refuses what is no model: TensorFlow Lite Micro believes what it reads
    asked = tuple(tuple(tuple(inputs) for inputs in inferences) for inferences in runs)
    question = msgspec.msgpack.encode(Question(data, str(model), asked))
    command = [sys.executable, "-P", "-W", "ignore", "-m", "edged.tooling.mcu_judge"]
    try:  # without a deadline: how many inferences there are, and of what, is up to a person, who has Ctrl-C
        done = subprocess.run(command, input=question, capture_output=True, check=False)
    except OSError as error:
        raise ProcessNotStarted(f"{sys.executable} cannot be started: {error.strerror}") from error
    if done.returncode:
        raise ModelRejected(_death(model, done), hint=WITHOUT)
    answer = msgspec.msgpack.decode(done.stdout, type=Answer)
    if answer.refusal:
        raise ModelRejected(f"{model}: TensorFlow Lite Micro does not run it: {answer.refusal}", hint=WITHOUT)
    return answer


def _death(model: Path, done: subprocess.CompletedProcess[bytes]) -> str:
    """In words, with the last that it said."""
    status = done.returncode
    how = signal_name(-status) if status < 0 else f"exit status {status}"
    said = " | ".join(filter(None, (line.strip() for line in done.stderr.decode(errors="replace").splitlines()[-LAST_LINES:])))
    return f"{model}: TensorFlow Lite Micro ended by {how} rather than run it" + (f": {said}" if said else "")
