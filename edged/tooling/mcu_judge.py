"""``python -m edged.tooling.mcu_judge``: TensorFlow Lite Micro in a process of its own, started by ``mcu_reference``.

On some models its interpreter aborts, or reads where nothing is, rather than refuse; then it takes along only this process.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import Any

import msgspec
import numpy as np

from edged.infer.graph import Graph
from edged.infer.probe.sandbox import die_with_parent
from edged.mcu.info import TensorInfo
from edged.mcu.reading import DTYPES

ARENA_BYTES = 16 << 20
"""More than any model of a microcontroller needs; only this machine's memory."""

_NUMBERS = {dtype.name: number for number, dtype in DTYPES.items()}


class Question(msgspec.Struct, frozen=True):
    """A .tflite file that was found to be one, and the inputs of each inference; an interpreter serves all of a run."""

    model: bytes
    name: str
    runs: tuple[tuple[tuple[bytes, ...], ...], ...]


class Answer(msgspec.Struct, frozen=True):
    """What goes in, what came out of each inference of each run, how long the fastest took; or why it would not."""

    inputs: tuple[TensorInfo, ...] = ()
    runs: tuple[tuple[tuple[bytes, ...], ...], ...] = ()
    fastest_us: float = 0.0
    refusal: str = ""


def answer(question: Question) -> Answer:
    """In this very process."""
    graph = Graph.read(question.model, question.name)
    inputs, outputs = len(graph.inputs()), len(graph.outputs())
    try:
        interpreter = _interpreter(question.model)
        tensors = tuple(_tensor(interpreter.get_input_details(index)) for index in range(inputs))
        runs, fastest_s = [], float("inf")
        for number, inferences in enumerate(question.runs):
            if number:
                interpreter = _interpreter(question.model)
            made = []
            for given in inferences:
                for index, data in enumerate(given):
                    details = interpreter.get_input_details(index)
                    interpreter.set_input(np.frombuffer(data, details["dtype"]).reshape(details["shape"]), index)
                start_s = time.perf_counter()
                interpreter.invoke()
                fastest_s = min(fastest_s, time.perf_counter() - start_s)
                made.append(tuple(interpreter.get_output(index).tobytes() for index in range(outputs)))
            runs.append(tuple(made))
    except (RuntimeError, ValueError) as error:
        return Answer(refusal=str(error))
    return Answer(tensors, tuple(runs), fastest_s * 1e6 if question.runs else 0.0)


def _interpreter(model: bytes) -> Any:
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)


def _tensor(details: dict[str, Any]) -> TensorInfo:
    dtype = np.dtype(details["dtype"])
    shape = tuple(int(length) for length in details["shape"])
    quantised = details["quantization_parameters"]
    scale = float(quantised["scales"][0]) if len(quantised["scales"]) else 0.0
    zero = int(quantised["zero_points"][0]) if len(quantised["zero_points"]) else 0
    return TensorInfo(_NUMBERS[dtype.name], shape, scale, zero, int(np.prod(shape)) * dtype.itemsize)


def main() -> None:
    """A question on standard input, its answer on standard output; what the interpreter prints is kept from between."""
    die_with_parent(os.getppid())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # of a death that is expected nobody wants a core file
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        answers.write(msgspec.msgpack.encode(answer(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Question))))


if __name__ == "__main__":
    main()
