"""Non-maximum suppression: one box an object. Both ways start with the best box and look at what overlaps it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edged.core.geometry import iou_matrix

Boxes = NDArray[np.float32]


def suppress(
    xyxy: Boxes, score: NDArray[np.float32], iou_threshold: float, class_id: NDArray[np.int32] | None = None
) -> NDArray[np.intp]:
    """Positions, by falling score, of the boxes (n, 4) that no better box overlaps by more than ``iou_threshold``.

    With ``class_id`` (n,) only boxes of the same class suppress each other.
    """
    if class_id is not None and len(xyxy):
        # Each class in a plane of its own, so that one pass serves all of them.
        xyxy = xyxy + ((xyxy.max() - xyxy.min() + 1) * class_id[:, None]).astype(np.float32)
    left = np.argsort(-score, kind="stable")
    kept: list[np.intp] = []
    while len(left):
        kept.append(left[0])
        overlap = iou_matrix(xyxy[left[:1]], xyxy[left[1:]])[0]
        left = left[1:][overlap <= iou_threshold]
    return np.array(kept, np.intp)


def blend(xyxy: Boxes, score: NDArray[np.float32], iou_threshold: float) -> tuple[Boxes, NDArray[np.float32]]:
    """Boxes (k, 4) and scores (k,), by falling score: each is the mean, weighted by score, of the best box left and of those
    that overlap it by more than ``iou_threshold``, with the score of the best.

    The WEIGHTED algorithm of MediaPipe's NonMaxSuppressionCalculator: it steadies small faces from frame to frame.
    """
    left = np.argsort(-score, kind="stable")
    blended: list[Boxes] = []
    best: list[np.intp] = []
    while len(left):
        joins = iou_matrix(xyxy[left[:1]], xyxy[left])[0] > iou_threshold
        joins[0] = True  # whatever the threshold, so that the list gets shorter
        group = left[joins]
        best.append(group[0])
        blended.append(np.average(xyxy[group], axis=0, weights=score[group].astype(np.float64)).astype(np.float32))
        left = left[~joins]
    return np.array(blended, np.float32).reshape(-1, 4), score[np.array(best, np.intp)]
