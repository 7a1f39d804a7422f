"""How long to wait before the next attempt, so that many devices do not come back at the same moment."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Decorrelated jitter: each delay is drawn from ``minimum_s`` to three times the one before, at most ``maximum_s``.

    ``random`` gives numbers in 0..1. Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, minimum_s: float, maximum_s: float, random: Callable[[], float]) -> None:
        if not 0 < minimum_s <= maximum_s:
            raise ValueError(f"expected 0 < minimum_s <= maximum_s, got {minimum_s} and {maximum_s}")
        self._minimum_s = minimum_s
        self._maximum_s = maximum_s
        self._random = random
        self._last_s = minimum_s

    def next_delay_s(self) -> float:
        """Seconds to wait now; grows in the mean from call to call."""
        delay_s = self._minimum_s + self._random() * (3 * self._last_s - self._minimum_s)
        self._last_s = min(self._maximum_s, delay_s)
        return self._last_s

    def reset(self) -> None:
        """Begin at the minimum again, after an attempt that held."""
        self._last_s = self._minimum_s
