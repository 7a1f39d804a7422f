"""What TensorFlow Lite Micro itself answers, on this machine: the judge of what a board does."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edged.core.errors import ModelRejected

ARENA_BYTES = 16 << 20
"""More than any model of a microcontroller needs; only this machine's memory."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The outputs for the inputs that were given, and the fastest of some runs."""

    outputs: tuple[bytes, ...]
    fastest_us: float


def available() -> bool:
    """Whether the package `tflite-micro` is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def run_reference(model: Path, inputs: Sequence[bytes], repeat: int = 5) -> Reference:
    """Run a .tflite file there; raises ModelRejected."""
    from tflite_micro.python.tflite_micro import runtime

    try:
        interpreter = runtime.Interpreter.from_bytes(model.read_bytes(), arena_size=ARENA_BYTES)
        for index, data in enumerate(inputs):
            details = interpreter.get_input_details(index)
            array = np.frombuffer(data, details["dtype"]).reshape(details["shape"])
            interpreter.set_input(array, index)
        fastest_s = float("inf")
        for _ in range(repeat):
            start_s = time.perf_counter()
            interpreter.invoke()
            fastest_s = min(fastest_s, time.perf_counter() - start_s)
        outputs: list[bytes] = []
        while True:
            try:
                outputs.append(interpreter.get_output(len(outputs)).tobytes())
            except (IndexError, RuntimeError, ValueError):
                break
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelRejected(f"{model}: TensorFlow Lite Micro does not run it: {error}") from error
    return Reference(tuple(outputs), fastest_s * 1e6)
