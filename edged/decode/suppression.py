"""The parameters that all detectors with suppression in the host share, and the last step that obeys them."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from edged.core.detections import Detections
from edged.core.settings import settings
from edged.decode import nms
from edged.decode.results import tidy

MAX_CANDIDATES = 1000
"""Boxes that enter suppression at most, the best ones: a picture full of noise must not take seconds."""


@settings
class SuppressionParameters:
    """What makes detections of candidates."""

    score_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Detections below are left out. A tracker that uses weak detections needs its own lower threshold here."""

    iou_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Of two boxes that overlap more than this the weaker one is left out (`hard`) or loses score (`linear`)."""

    suppression: Literal["hard", "linear", "gaussian"] = "hard"
    """`hard` keeps one box an object; `linear` and `gaussian` are soft-NMS: overlapping boxes lose score instead."""

    sigma: Annotated[float, Gt(0), Le(10)] = 0.5
    """How gently `gaussian` lowers scores; the larger, the gentler."""

    class_agnostic: bool = False
    """Whether boxes of different classes suppress each other."""

    max_detections: Annotated[int, Ge(1), Le(MAX_CANDIDATES)] = 100
    """The best so many are reported."""


def best(score: NDArray[np.float32]) -> NDArray[np.intp]:
    """Positions of the candidates that are worth decoding: all, or the ``MAX_CANDIDATES`` best where there are more."""
    if len(score) <= MAX_CANDIDATES:
        return np.arange(len(score))
    return np.argpartition(-score, MAX_CANDIDATES)[:MAX_CANDIDATES]


def suppressed(
    xyxy: NDArray[np.float32], score: NDArray[np.float32], class_id: NDArray[np.int32], how: SuppressionParameters
) -> Detections:
    """Detections of candidates (n, 4), (n,), (n,) as ``how`` says."""
    found = tidy(xyxy, score, class_id)
    classes = None if how.class_agnostic else found.class_id
    if how.suppression == "hard":
        return found.take(nms.suppress(found.xyxy, found.score, how.iou_threshold, classes, how.max_detections))
    index, lowered = nms.soften(
        found.xyxy,
        found.score,
        how.suppression,
        score_threshold=how.score_threshold,
        iou_threshold=how.iou_threshold,
        sigma=how.sigma,
        class_id=classes,
        limit=how.max_detections,
    )
    return Detections(found.xyxy[index], lowered, found.class_id[index])
