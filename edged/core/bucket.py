"""How often something may happen: a token bucket. Pure."""

from __future__ import annotations


class Bucket:
    """``burst`` times at once, then ``rate_hz`` times a second. Times are seconds of any clock that does not go back."""

    def __init__(self, rate_hz: float, burst: int) -> None:
        self._rate_hz = rate_hz
        self._burst = burst
        self._level = float(burst)
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Whether it may happen now; it counts if so."""
        if self._at_s is not None:
            self._level = min(self._burst, self._level + (now_s - self._at_s) * self._rate_hz)
        self._at_s = now_s
        if self._level < 1:
            return False
        self._level -= 1
        return True
