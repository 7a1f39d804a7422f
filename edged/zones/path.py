"""The way that an object took, in bounded memory."""

from __future__ import annotations

from edged.core.event import Point

MAX_POINTS = 64


class Path:
    """Points of a way, evenly thinned: whenever they get too many every second goes, and from then on fewer are taken.

    The first and the latest point are always kept.
    """

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._stride = 1
        self._added = 0
        self._latest: Point | None = None

    def add(self, point: Point) -> None:
        """Go on to ``point``."""
        if self._added % self._stride == 0:
            if len(self._points) == MAX_POINTS - 1:
                del self._points[1::2]
                self._stride *= 2
            if self._added % self._stride == 0:
                self._points.append(point)
        self._added += 1
        self._latest = point

    def points(self) -> tuple[Point, ...]:
        """The way so far, oldest first, at most 64 points."""
        if self._latest is None or (self._added - 1) % self._stride == 0:
            return tuple(self._points)
        return (*self._points, self._latest)
