"""The promises that every decoder's result keeps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edged.core.detections import Detections

OUTERMOST = (np.float32(-1), np.float32(2))
"""Normalised boxes end here: one picture beyond each edge. A box further out is noise, and its area could overflow."""


def tidy(xyxy: NDArray[np.float32], score: NDArray[np.float32], class_id: NDArray[np.int32]) -> Detections:
    """Detections by falling score, without boxes that are empty or not finite."""
    boxes = np.minimum(np.maximum(xyxy, OUTERMOST[0]), OUTERMOST[1])
    solid = np.isfinite(xyxy).all(axis=1) & (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
    index = np.flatnonzero(solid)
    return Detections(boxes, score, class_id).take(index[np.argsort(-score[index], kind="stable")])
