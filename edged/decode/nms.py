"""Non-maximum suppression: one box an object. Every way starts with the best box and looks at what overlaps it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edged.core.geometry import iou_matrix

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]

BLOCK = 32
"""Boxes that are compared with all that are left in one go: fewer steps than box by box, less memory than all by all."""

Softening = Literal["linear", "gaussian"]
"""How the score of a box falls with its overlap: the two penalties of the soft-NMS paper."""


def suppress(
    xyxy: Boxes, score: Scores, iou_threshold: float, class_id: NDArray[np.int32] | None = None, limit: int | None = None
) -> NDArray[np.intp]:
    """Positions, by falling score, of the boxes (n, 4) that no better box overlaps by more than ``iou_threshold``.

    With ``class_id`` (n,) only boxes of the same class suppress each other. No more than the best ``limit`` are looked for.
    """
    left = np.argsort(-score, kind="stable")
    kept: list[NDArray[np.intp]] = []
    room = len(left) if limit is None else limit
    while len(left) and room > 0:
        head, rest = left[:BLOCK], left[BLOCK:]
        overlaps = iou_matrix(xyxy[head], xyxy[left]) > iou_threshold
        if class_id is not None:
            overlaps &= class_id[head][:, None] == class_id[left]
        stays = np.ones(len(head), np.bool_)
        for place in range(len(head)):
            if stays[place]:
                stays[place + 1 :] &= ~overlaps[place, place + 1 : len(head)]
        kept.append(head[stays])
        room -= int(stays.sum())
        left = rest[~overlaps[stays, len(head) :].any(axis=0)]
    return np.concatenate(kept)[:limit] if kept else np.zeros(0, np.intp)


def soften(
    xyxy: Boxes,
    score: Scores,
    method: Softening,
    *,
    score_threshold: float,
    iou_threshold: float,
    sigma: float,
    class_id: NDArray[np.int32] | None = None,
    limit: int | None = None,
) -> tuple[NDArray[np.intp], Scores]:
    """Positions of boxes (n, 4), and their new scores, by falling new score: boxes lose score to better ones that they overlap.

    Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code" (ICCV 2017). For each kept box the scores of the
    rest are multiplied: ``linear`` by 1 - IoU where that exceeds ``iou_threshold``, ``gaussian`` by exp(-IoU^2 / ``sigma``)
    everywhere. What falls below ``score_threshold`` is left out. With ``class_id`` (n,) only boxes of one class take part in each
    other's scores. No more than the best ``limit`` are looked for.
    """
    left, lowered = np.flatnonzero(score >= score_threshold), score.astype(np.float32)
    kept: list[np.intp] = []
    while len(left) and (limit is None or len(kept) < limit):
        place = int(np.argmax(lowered[left]))
        best, left = left[place], np.delete(left, place)
        kept.append(best)
        overlap = iou_matrix(xyxy[best][None], xyxy[left])[0]
        if class_id is not None:
            overlap[class_id[left] != class_id[best]] = 0
        if method == "linear":
            lowered[left] *= np.where(overlap > iou_threshold, 1 - overlap, np.float32(1))
        else:
            lowered[left] *= np.exp(-overlap * overlap / np.float32(sigma))
        left = left[lowered[left] >= score_threshold]
    index = np.array(kept, np.intp)
    return index, lowered[index]


def blend(xyxy: Boxes, score: Scores, iou_threshold: float) -> tuple[Boxes, Scores]:
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
