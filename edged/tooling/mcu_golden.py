"""Golden vectors for a microcontroller: what TensorFlow Lite Micro itself answers on this machine, to noise and to given inputs;
or the golden pictures of a bundle (``edged.infer.golden``) with the answers that they are to get.

A board compares element by element, and what is no byte has to be equal; a bundle bounds how far answers are off on average. Its
bound, rounded up, is what each element may be off on a board: where TensorFlow Lite Micro is installed, it says at once whether
that holds.

Each answer is that of a fresh interpreter, as a board forgets before each vector what its model remembers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import ModelRejected, RuntimeUnavailable
from edged.infer.answers import REMAKE, as_input
from edged.infer.bundle import Bundle
from edged.infer.engine import Engine
from edged.infer.golden import Answer, Vector, describe
from edged.infer.graph import Graph
from edged.mcu.noise import draw_noise
from edged.mcu.package import GoldenVector
from edged.tooling.mcu_input import make_inputs
from edged.tooling.mcu_reference import available, input_tensors, run_afresh, run_reference

NOISE = 2
"""So many answers to noise are compared, unless others are asked for: each costs a board an inference at its start."""

MAX_TOLERANCE = 0xFF
BYTES = {"int8", "uint8"}


def make_vectors(
    model: Path, inputs: Sequence[Path] = (), *, noise: int = NOISE, tolerance: int = 0, raw_pixels: bool = False
) -> list[GoldenVector]:
    """A vector for each of these files, as `edged mcu run` reads them, and for ``noise``.

    Raises RuntimeUnavailable, ModelRejected, SourceUnusable.
    """
    if not available():
        raise RuntimeUnavailable(
            "golden vectors are made by TensorFlow Lite Micro, which is not installed",
            hint="`pip install tflite-micro` installs it; --no-golden signs without.",
        )
    tensors = input_tensors(model)
    asked = [make_inputs(tensors, [path], [], raw_pixels=raw_pixels) for path in inputs]
    for seed in range(noise):
        source = random.Random(seed)  # noqa: S311  # no secret
        asked.append(tuple(draw_noise(tensor, source) for tensor in tensors))
    answers = run_afresh(model, asked)
    return [GoldenVector(given, outputs, tolerance) for given, outputs in zip(asked, answers, strict=True)]


def bundle_vectors(bundle: Bundle, tolerance: int = 0) -> list[GoldenVector]:
    """The golden vectors of a bundle, none if it has none; ``tolerance`` is what each element may be off in any case.

    Raises ModelRejected for answers that a board cannot compare, or that TensorFlow Lite Micro does not give.
    """
    golden = bundle.golden()
    if golden is None:
        return []
    model = bundle.paths["cpu"]
    outputs = Graph.read(model.read_bytes(), str(model)).output_numbers()
    engine = Engine(bundle, threads=1)
    return [_converted(vector, engine, model, outputs, tolerance) for vector in golden.vectors]


def _converted(vector: Vector, engine: Engine, model: Path, outputs: tuple[int, ...], tolerance: int) -> GoldenVector:
    where = f"{model}: {describe(vector.picture)}"
    answers = {answer.tensor: answer for answer in vector.answers}
    if set(answers) != set(outputs) or any(answer.positions for answer in answers.values()):
        raise ModelRejected(
            f"{where}: its answers are not whole outputs of the model, which is what a board compares",
            hint=OTHERWISE,
            fault="unfit",
        )
    if not all(answer.dtype in BYTES for answer in answers.values()):
        raise ModelRejected(
            f"{where}: its answers are no 8-bit numbers, and others a board can only compare exactly", hint=OTHERWISE, fault="unfit"
        )
    steps = max(tolerance, *(math.ceil(answer.tolerance) for answer in answers.values()))
    given = as_input(engine, vector.picture).tobytes()
    expected = tuple(answers[tensor].values for tensor in outputs)
    if available():
        _judge(where, [answers[tensor] for tensor in outputs], run_reference(model, [(given,)]).outputs[0], steps)
    return GoldenVector((given,), expected, min(steps, MAX_TOLERANCE))


OTHERWISE = "Sign the .tflite in it: TensorFlow Lite Micro answers for it then. Or sign with --no-golden."


def _judge(where: str, answers: Sequence[Answer], found: Sequence[bytes], steps: int) -> None:
    for answer, data in zip(answers, found, strict=True):
        apart = np.abs(_numbers(data, answer.dtype) - _numbers(answer.values, answer.dtype)).max()
        if apart > steps:
            raise ModelRejected(
                f"{where}: TensorFlow Lite Micro is off by {apart} steps, {steps} are allowed",
                hint=f"{REMAKE} --tolerance {apart} takes it.",
                fault="golden differs",
            )


def _numbers(data: bytes, dtype: str) -> NDArray[np.int64]:
    return np.frombuffer(data, dtype).astype(np.int64)
