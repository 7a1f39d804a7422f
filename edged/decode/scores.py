"""Which of many anchors see something, found without turning the numbers of all of them into reals.

Of 8,400 anchors x 80 classes a handful counts. The threshold is brought into the tensor's own numbers (integers, logits) once, so
that only the survivors are dequantised and activated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.core.tensor import TensorSpec

Activation = Literal["none", "sigmoid"]
"""What the host still has to apply to scores: nothing if the network put out probabilities, else the logistic function."""

COARSEST_STEP: dict[Activation, float] = {"none": 0.1, "sigmoid": 1.0}
"""The largest step between two scores (or logits) that a quantised output may have and still tell objects from background."""

LOGIT_LIMIT = 100.0
"""Beyond it a score is 0 or 1. Its exponential needs float64."""

SURE_LOGIT = 16.0
"""From about here on the sigmoid is 1 in float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The anchors that see something: positions (k,), scores float32 (k,) in 0..1 and classes int32 (k,)."""

    index: NDArray[np.intp]
    score: NDArray[np.float32]
    class_id: NDArray[np.int32]


class ScoreReader:
    """Reads the scores of one output, whose number format is ``spec``; raises ModelRejected where that is too coarse for scores."""

    def __init__(self, spec: TensorSpec, activation: Activation, threshold: float) -> None:
        if not spec.quantised and np.issubdtype(np.dtype(spec.dtype), np.integer):
            raise ModelRejected(f"output {spec} holds whole numbers without one scale for all: they cannot be read as scores")
        coarsest = COARSEST_STEP[activation]
        if spec.quantised and not 0 < spec.scale <= coarsest:
            raise ModelRejected(
                f"output {spec} cannot hold scores: it counts in steps of {spec.scale:g}, expected {coarsest:g} at most",
                hint="boxes in pixels quantised together with scores leave none of them: export with normalised coordinates",
            )
        self._spec = spec
        self._activation = activation
        self._threshold = np.float32(threshold)
        # A hair lower than the logit of the threshold, since the scores themselves are compared as well.
        self._least = stored(spec, threshold if activation == "none" else min(logit(threshold), SURE_LOGIT) - 1e-3)
        # Rounding to the next step may lift a score of 1 beyond it; what is further out makes no sense.
        self._highest = np.float32(1 + (spec.scale if spec.quantised else 0))

    def __call__(self, classes: NDArray[np.generic], objectness: NDArray[np.generic] | None = None) -> Candidates:
        """The anchors whose best class of ``classes`` (n, c), times ``objectness`` (n,) if there is one, reaches the threshold."""
        if objectness is None:
            index = np.flatnonzero(np.greater_equal(classes, self._least).any(axis=1))
        else:
            index = np.flatnonzero(np.greater_equal(objectness, self._least))  # no class lifts a score above its objectness
        rows = classes[index]
        score = self._probability(rows.max(axis=1))
        if objectness is not None:
            score *= self._probability(objectness[index])
        class_id = rows.argmax(axis=1).astype(np.int32)
        good = score >= self._threshold  # NaN anywhere in a row makes its score NaN, which is not
        return Candidates(index[good], score[good], class_id[good])

    def _probability(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        real = self._spec.real(values)
        if self._activation == "sigmoid":
            return sigmoid(real)
        return np.where((real >= 0) & (real <= self._highest), np.minimum(real, np.float32(1)), np.float32(np.nan))


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logistic function; float32 of the same shape, NaN where the input is."""
    odds: NDArray[np.float64] = np.exp(np.clip(values, -LOGIT_LIMIT, LOGIT_LIMIT, dtype=np.float64))
    return (odds / (1 + odds)).astype(np.float32)


def logit(probability: float) -> float:
    """The inverse of ``sigmoid``; infinite for 0 and 1."""
    if probability in (0, 1):
        return inf if probability else -inf
    return log(probability / (1 - probability))


def stored(spec: TensorSpec, least: float) -> float:
    """The least number in a tensor of ``spec`` that stands for ``least`` or more; one beyond its range if none does."""
    if not spec.quantised:
        return least
    limits = np.iinfo(spec.dtype)
    number = int(min(max(ceil(min(max(least / spec.scale, -1e6), 1e6)) + spec.zero_point - 1, limits.min), limits.max))
    while number <= limits.max and spec.real(np.array(number)) < least:  # once or twice: division and product round
        number += 1
    return number
