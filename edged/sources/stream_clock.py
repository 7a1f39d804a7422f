"""When the pictures of a stream were taken, as far as their arrival tells, and whether they are still news.

Pure: positions and times go in.
"""

from __future__ import annotations

WINDOW_NS = 10_000_000_000
"""The least delay of one to two windows counts, so that a camera's clock may run a little fast or slow (100 ppm: 2 ms)."""

MAX_STEP_NS = 10_000_000_000
"""Positions that jump by more were reset by the camera."""

MAX_DELAY_NS = 5_000_000_000
"""A picture this much later than the quickest one says more about the camera's clock than about the network."""

MAX_LATE_NS = 1_000_000_000
"""So late after its turn, a playlist was interrupted; it will not catch up, since its parts are made as time goes by."""

WAITED_NS = 5_000_000
"""A read that took so long had to wait for the network; a shorter one found what had already come, and waited for the interpreter
lock at most."""

BEHIND_NS = 500_000_000
"""Who has not had to wait for so long is behind: what is read is old, and newer things wait in the buffers."""


class CaptureClock:
    """Maps positions in the stream to CLOCK_MONOTONIC, by the picture that came quickest of the last 10 to 20 s.

    Every picture waits in encoders, queues and the network for a while that varies; the least of it is taken for constant. It is
    not known, so times are late by it: no clock of the camera is trusted.
    """

    def __init__(self) -> None:
        self._position_ns: int | None = None
        self._least_ns = self._next_least_ns = 0
        self._window_ends_ns = 0
        self._last_ns = 0

    def captured_ns(self, position_ns: int | None, arrived_ns: int) -> int:
        """When the picture at ``position_ns`` was taken (``None``: when it arrived); grows, and is at most ``arrived_ns``."""
        captured_ns = arrived_ns if position_ns is None else position_ns + self._least_delay_ns(position_ns, arrived_ns)
        self._last_ns = max(captured_ns, self._last_ns + 1)
        return self._last_ns

    def _least_delay_ns(self, position_ns: int, arrived_ns: int) -> int:
        delay_ns = arrived_ns - position_ns
        last_ns, self._position_ns = self._position_ns, position_ns
        regular = last_ns is not None and 0 < position_ns - last_ns <= MAX_STEP_NS
        if not regular or delay_ns - self._least_ns > MAX_DELAY_NS:
            self._least_ns = self._next_least_ns = delay_ns
            self._window_ends_ns = arrived_ns + WINDOW_NS
        elif arrived_ns >= self._window_ends_ns:
            self._least_ns, self._next_least_ns = min(self._next_least_ns, delay_ns), delay_ns
            self._window_ends_ns = arrived_ns + WINDOW_NS
        self._least_ns = min(self._least_ns, delay_ns)
        self._next_least_ns = min(self._next_least_ns, delay_ns)
        return self._least_ns


class Backlog:
    """Whether the reader is behind its camera: at first (servers hand out what they kept) and whenever it does not have to wait."""

    def __init__(self) -> None:
        self._waited_ns: int | None = None

    def note(self, asked_ns: int, arrived_ns: int) -> bool:
        """A read was begun and ended at these times; whether what it gave is old."""
        if arrived_ns - asked_ns >= WAITED_NS:
            self._waited_ns = arrived_ns
        return self._waited_ns is None or arrived_ns - self._waited_ns > BEHIND_NS


class Playout:
    """When a picture of a playlist is due. Its parts come seconds at a time; handed out as they come they would be a slide show."""

    def __init__(self) -> None:
        self._zero_ns: int | None = None

    def due_ns(self, position_ns: int | None, now_ns: int) -> int:
        """``now_ns`` or later; what is late, or far off, begins a new count."""
        if position_ns is None:
            return now_ns
        if self._zero_ns is None or not -MAX_LATE_NS <= self._zero_ns + position_ns - now_ns <= MAX_STEP_NS:
            self._zero_ns = now_ns - position_ns
        return max(now_ns, self._zero_ns + position_ns)
