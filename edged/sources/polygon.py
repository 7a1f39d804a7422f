"""Whether a polygon that a person wrote down covers what he meant. Free of numpy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Point = tuple[float, float]

MIN_AREA = 1e-6
"""In parts of the picture: a tenth of a pixel of 640x480. Less encloses nothing."""


def polygon_problem(corners: Sequence[Point]) -> str:
    """Why ``corners``, in order around it, do not enclose one area; empty if they do.

    Corners in a wrong order make sides that cross, and such a shape leaves open a part of what it should hide.
    """
    ring = [corner for corner, following in zip(corners, [*corners[1:], corners[0]], strict=True) if corner != following]
    if len(ring) < 3:
        return "fewer than 3 different corners enclose nothing"
    sides = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    if any(_meet(*sides[i], *sides[j]) for i, j in combinations(range(len(sides)), 2) if j - i not in {1, len(sides) - 1}):
        return "its sides cross, list the corners in order around it"
    if abs(sum(_cross(a, b) for a, b in sides)) / 2 < MIN_AREA:  # the shoelace formula
        return "its corners lie on one line"
    return ""


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the sides ab and cd have a point in common."""
    of_c, of_d, of_a, of_b = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if of_c * of_d < 0 and of_a * of_b < 0:
        return True
    return any(
        turn == 0 and _between(p, *side)
        for turn, p, side in ((of_c, c, (a, b)), (of_d, d, (a, b)), (of_a, a, (c, d)), (of_b, b, (c, d)))
    )


def _turn(a: Point, b: Point, p: Point) -> float:
    """Which side of the line from ``a`` to ``b`` has ``p``, by its sign; 0 on the line."""
    return _cross((b[0] - a[0], b[1] - a[1]), (p[0] - a[0], p[1] - a[1]))


def _cross(a: Point, b: Point) -> float:
    return a[0] * b[1] - a[1] * b[0]


def _between(p: Point, a: Point, b: Point) -> bool:
    """Whether ``p``, on the line through ``a`` and ``b``, is no farther than they are."""
    return min(a[0], b[0]) <= p[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])
