"""How far two detectors agree about the same frames: the one that serves, and a candidate for its place.

Pure. Both are judged alike; which of them is right, nobody knows here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edged.core.detections import Detections
from edged.core.geometry import iou_matrix
from edged.tracking.assign import Indices, assign

SAME_IOU = 0.5
"""Boxes of one class that overlap by more than this are the same object: the threshold of PASCAL VOC."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Sums over frames: objects that both saw, and those that one saw alone; ``drift`` is by how much the candidate's scores of the
    objects that both saw are higher, all together. Agreements of different frames add up.
    """

    frames: int = 0
    matched: int = 0
    only_serving: int = 0
    only_candidate: int = 0
    drift: float = 0.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.frames + other.frames,
            self.matched + other.matched,
            self.only_serving + other.only_serving,
            self.only_candidate + other.only_candidate,
            self.drift + other.drift,
        )


def compare(serving: Detections, candidate: Detections) -> Agreement:
    """What two detectors made of one frame; boxes in one frame of reference, class ids of one numbering."""
    ours, theirs = match(serving, candidate)
    drift = float(np.sum(candidate.score[theirs], dtype=np.float64) - np.sum(serving.score[ours], dtype=np.float64))
    return Agreement(1, len(ours), len(serving) - len(ours), len(candidate) - len(ours), drift)


def match(serving: Detections, candidate: Detections) -> tuple[Indices, Indices]:
    """Positions of the boxes that show the same objects, pair by pair, so that all pairs together overlap most."""
    cost = 1 - iou_matrix(serving.xyxy, candidate.xyxy)
    cost[serving.class_id[:, None] != candidate.class_id] = np.inf
    return assign(cost, 1 - SAME_IOU)
