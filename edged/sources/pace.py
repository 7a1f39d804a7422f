"""Holding recorded frames back until they are due."""

from __future__ import annotations

import threading
import time


class Pacer:
    """Maps positions in a recording to CLOCK_MONOTONIC, from the first one on; ``stop`` ends a wait at once.

    A reader that is late gets its frames without a wait until it has caught up: none is skipped here.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._zero_ns: int | None = None

    def wait(self, position_ns: int) -> None:
        """Return when the frame at ``position_ns`` is due, or when stopped."""
        now_ns = time.monotonic_ns()
        if self._zero_ns is None:
            self._zero_ns = now_ns - position_ns
        delay_ns = self._zero_ns + position_ns - now_ns
        if delay_ns > 0:
            self._stop.wait(delay_ns / 1e9)
