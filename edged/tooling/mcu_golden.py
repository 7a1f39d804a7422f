"""Golden vectors for a microcontroller: what TensorFlow Lite Micro itself answers on this machine, to noise and to given inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edged.core.errors import RuntimeUnavailable
from edged.mcu.package import GoldenVector
from edged.tooling.mcu_input import make_inputs
from edged.tooling.mcu_reference import available, input_tensors, run_reference

NOISE = 2
"""So many answers to noise are compared, unless others are asked for: each costs a board an inference at its start."""


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
        source = np.random.default_rng(seed)
        asked.append(tuple(source.bytes(tensor.size_bytes) for tensor in tensors))
    return [GoldenVector(given, run_reference(model, given, repeat=1).outputs, tolerance) for given in asked]
