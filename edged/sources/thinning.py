"""Which frames of a source are taken, where not all are wanted.

Pure: the source's own clock comes in with each frame.
"""

from __future__ import annotations

SLACK = 0.15
"""How much sooner than its time a frame may come, in intervals: a camera capped at its own rate loses none to its jitter."""


class Thinning:
    """Every ``every``-th frame, and of those at most ``max_fps`` a second (``None``: all), evenly.

    Frames are due on a grid of the asked rate, and the first one after each point of it is taken. After a pause the grid begins
    anew: what was missed is not made up for.
    """

    def __init__(self, every: int, max_fps: float | None) -> None:
        self._every = every
        self._interval_ns = round(1e9 / max_fps) if max_fps else 0
        self._slack_ns = round(self._interval_ns * SLACK)
        self._count = 0
        self._due_ns: int | None = None

    def takes(self, at_ns: int) -> bool:
        """Whether the next frame, at ``at_ns`` on the source's clock, is wanted; to be asked once for each frame, in order."""
        number, self._count = self._count, self._count + 1
        if number % self._every:
            return False
        if self._due_ns is not None and -self._interval_ns <= at_ns - self._due_ns < 0:
            return False
        if self._due_ns is not None and 0 <= at_ns - self._due_ns < self._interval_ns:
            self._due_ns += self._interval_ns
        else:  # the first frame, or one after a pause, or the clock went back
            self._due_ns = at_ns + self._interval_ns - self._slack_ns
        return True


def thinned_fps(fps: float, every: int, max_fps: float | None) -> float:
    """The rate that is left of ``fps`` (0: unknown), at most."""
    if not fps:
        return max_fps or 0.0
    return min(fps / every, max_fps or fps)
