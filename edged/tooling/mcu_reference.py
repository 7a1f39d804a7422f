"""What TensorFlow Lite Micro itself answers, on this machine: the judge of what a board does."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edged.core.errors import ModelRejected
from edged.infer.graph import Graph
from edged.mcu.info import TensorInfo
from edged.mcu.reading import DTYPES

_NUMBERS = {dtype.name: number for number, dtype in DTYPES.items()}

ARENA_BYTES = 16 << 20
"""More than any model of a microcontroller needs; only this machine's memory."""


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
    interpreter = _interpreter(model)
    return tuple(_tensor(interpreter.get_input_details(index)) for index in range(len(_graph(model).inputs())))


def _tensor(details: dict[str, Any]) -> TensorInfo:
    dtype = np.dtype(details["dtype"])
    shape = tuple(int(length) for length in details["shape"])
    quantised = details["quantization_parameters"]
    scale = float(quantised["scales"][0]) if len(quantised["scales"]) else 0.0
    zero = int(quantised["zero_points"][0]) if len(quantised["zero_points"]) else 0
    return TensorInfo(_NUMBERS[dtype.name], shape, scale, zero, int(np.prod(shape)) * dtype.itemsize)


def _graph(model: Path) -> Graph:
    try:
        return Graph.read(model.read_bytes(), str(model))
    except OSError as error:
        raise ModelRejected(f"{model}: {error.strerror}", fault="unreadable") from error


def _interpreter(model: Path) -> Any:
    """Of a file that was found to be a model: TensorFlow Lite Micro believes what it reads."""
    _ = _graph(model).main
    from tflite_micro.python.tflite_micro import runtime

    try:
        return runtime.Interpreter.from_bytes(model.read_bytes(), arena_size=ARENA_BYTES)
    except (RuntimeError, ValueError) as error:
        raise ModelRejected(f"{model}: TensorFlow Lite Micro does not take it: {error}") from error


def run_reference(model: Path, inferences: Sequence[Sequence[bytes]]) -> Reference:
    """Run a .tflite file there, once for the inputs of each inference; raises ModelRejected.

    In their order, from a fresh start: a model may remember what it saw.
    """
    interpreter = _interpreter(model)
    count = len(_graph(model).outputs())
    outputs = []
    fastest_s = float("inf")
    try:
        for inputs in inferences:
            for index, data in enumerate(inputs):
                details = interpreter.get_input_details(index)
                interpreter.set_input(np.frombuffer(data, details["dtype"]).reshape(details["shape"]), index)
            start_s = time.perf_counter()
            interpreter.invoke()
            fastest_s = min(fastest_s, time.perf_counter() - start_s)
            outputs.append(tuple(interpreter.get_output(index).tobytes() for index in range(count)))
    except (RuntimeError, ValueError) as error:
        raise ModelRejected(f"{model}: TensorFlow Lite Micro does not run it: {error}") from error
    return Reference(tuple(outputs), fastest_s * 1e6)
