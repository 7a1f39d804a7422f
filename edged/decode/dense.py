"""Detectors that say something at every anchor: from outputs to detections. Families differ in how numbers become a box."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edged.core.detections import Detections
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode.layout import Part
from edged.decode.scores import Activation, ScoreReader
from edged.decode.suppression import SuppressionParameters, best, suppressed

Corners = Callable[[NDArray[np.float32], NDArray[np.intp]], NDArray[np.float32]]
"""From box numbers (k, width) and the anchors (k,) that they belong to, to x0, y0, x1, y1 (k, 4) normalised to the input."""


class Dense:
    """The decoder: candidates of all parts, their boxes, suppression."""

    def __init__(
        self,
        parts: Sequence[Part],
        outputs: Sequence[TensorSpec],
        corners: Corners,
        how: SuppressionParameters,
        activation: Activation,
        *,
        classes: int,
    ) -> None:
        self.classes = classes
        self._parts = [(part, ScoreReader(outputs[part.classes.output], activation, how.score_threshold)) for part in parts]
        self._corners = corners
        self._how = how

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode one inference; only anchors above the threshold are computed."""
        rows, anchors, scores, classes = [], [], [], []
        for part, read in self._parts:
            seen = read(part.classes.of(outputs), part.objectness.of(outputs)[:, 0] if part.objectness else None)
            if len(seen.index):
                rows.append(outputs[part.boxes.output].spec.real(part.boxes.of(outputs)[seen.index]))
                anchors.append(seen.index + part.first)
                scores.append(seen.score)
                classes.append(seen.class_id)
        if not rows:
            return Detections.empty()
        score = np.concatenate(scores)
        top = best(score)
        with np.errstate(invalid="ignore", over="ignore"):  # numbers beyond measure make boxes that are dropped
            xyxy = self._corners(np.concatenate(rows)[top], np.concatenate(anchors)[top])
        return suppressed(xyxy, score[top], np.concatenate(classes)[top], self._how)
