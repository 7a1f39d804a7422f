"""Whether a polygon that a person wrote down covers what he meant. Free of numpy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Point = tuple[float, float]

MIN_AREA = 1e-6
"""In parts of the picture: a tenth of a pixel of 640x480. Less encloses nothing."""


def polygon_problem(corners: Sequence[Point]) -> str:
    """Why ``corners``, in order around it, do not enclose an area; empty if they do.

    Corners in a wrong order make sides that cross, and such a shape leaves open half of what it should hide.
    """
    if len(corners) < 3:
        return f"{len(corners)} corners enclose nothing, at least 3 do"
    if abs(_twice_area(corners)) / 2 < MIN_AREA and not _crosses_itself(corners):
        return "its corners lie on one line"
    if _crosses_itself(corners):
        return "its sides cross, list the corners in order around it"
    return ""


def _twice_area(corners: Sequence[Point]) -> float:
    """The shoelace formula; its sign is the sense of rotation."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, [*corners[1:], corners[0]], strict=True))


def _crosses_itself(corners: Sequence[Point]) -> bool:
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    return any(_cross(a, b, c, d) for (a, b), (c, d) in combinations(sides, 2))


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the inner points of the sides ab and cd cross; sides that only touch do not."""
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Point, b: Point, p: Point) -> float:
    """Positive left of the line from ``a`` to ``b``, negative right of it, 0 on it."""
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
