"""Overlap of boxes, for everyone who compares them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def iou_matrix(a: NDArray[np.float32], b: NDArray[np.float32], grow: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Intersection over union of every box of ``a`` (n, 4) with every box of ``b`` (m, 4), as float32 (n, m) in 0..1.

    Boxes are x0, y0, x1, y1 in any one unit; a pair without a positive union (two empty boxes) overlaps by 0. ``grow`` (n,)
    moves every side of both boxes of a pair outward by the number that belongs to the box of ``a`` before they are compared:
    the buffered IoU of Yang et al., "Hard to Track Objects with Irregular Motions and Similar Appearances?" (WACV 2023),
    which still tells near from far where the boxes themselves no longer touch.
    """
    left, top, right, bottom = (a[:, None, k] for k in range(4))
    both = np.float32(0) if grow is None else np.float32(2) * grow[:, None]
    width = np.maximum(np.minimum(right, b[:, 2]) - np.maximum(left, b[:, 0]) + both, 0)
    height = np.maximum(np.minimum(bottom, b[:, 3]) - np.maximum(top, b[:, 1]) + both, 0)
    intersection = width * height
    area_a = (right - left + both) * (bottom - top + both)
    area_b = (b[:, 2] - b[:, 0] + both) * (b[:, 3] - b[:, 1] + both)
    union = area_a + area_b - intersection
    result: NDArray[np.float32] = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    return result
