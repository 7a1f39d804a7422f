"""Scores that are shares: what one class of a row has of all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edged.core.tensor import TensorSpec
from edged.decode.scores import Candidates, logit


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The shares of exp(``logits``) along the last axis; a row with NaN or +inf becomes NaN."""
    with np.errstate(invalid="ignore"):  # inf - inf
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


class SoftmaxReader:
    """Reads the logits of one output, whose number format is ``spec``; with ``background`` column 0 of a row is no object."""

    def __init__(self, spec: TensorSpec, threshold: float, background: bool) -> None:
        self._spec = spec
        self._first = int(background)
        self._threshold = np.float32(threshold)
        self._least_margin = np.float32(logit(threshold) - 1e-3)  # a hair lower, since the shares themselves are compared as well

    def __call__(self, rows: NDArray[np.generic]) -> Candidates:
        """The rows (n, c) whose best object reaches the threshold; ``class_id`` is its column."""
        index = np.arange(len(rows))
        if self._first:
            # Against the background alone a class has a larger share than against all. Most rows end here, the cheap way.
            best = self._spec.real(rows[:, 1:].max(axis=1))
            with np.errstate(invalid="ignore"):
                index = np.flatnonzero(best - self._spec.real(rows[:, 0]) >= self._least_margin)
        objects = softmax(self._spec.real(rows[index]))[:, self._first :]
        score = objects.max(axis=1)
        good = score >= self._threshold
        class_id = objects.argmax(axis=1).astype(np.int32) + np.int32(self._first)
        return Candidates(index[good], score[good], class_id[good])
