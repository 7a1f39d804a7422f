"""Whether something grows. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import combinations


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How steeply y rises with x: the median of the slopes between all pairs of points (Theil 1950, Sen 1968).

    Outliers do not move it until they are 29 % of the points: a page cache that is evicted, two models during a reload. 0 if fewer
    than two points differ in x.
    """
    slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in combinations(points, 2) if x1 != x0]
    return statistics.median(slopes) if slopes else 0.0


def growth(levels: Sequence[float]) -> float:
    """By how much the later half of ``levels`` lies above the earlier one, in the middle. One that stands out does not count."""
    half = len(levels) // 2
    if not half:
        return 0.0
    return statistics.median(levels[-half:]) - statistics.median(levels[:half])
