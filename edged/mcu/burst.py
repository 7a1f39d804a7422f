"""Whether something happens too often. Pure."""

from __future__ import annotations

from collections import deque


class Burst:
    """Holds once something happened ``times`` within ``span_s``, and until that is as long ago. Times are CLOCK_MONOTONIC."""

    def __init__(self, times: int, span_s: float) -> None:
        self._span_ns = round(span_s * 1e9)
        self._newest: deque[int] = deque(maxlen=times)
        self._until_ns = 0

    def note(self, now_ns: int, count: int = 1) -> None:
        """It happened, ``count`` times."""
        assert self._newest.maxlen
        for _ in range(min(count, self._newest.maxlen)):
            self._newest.append(now_ns)
        if len(self._newest) == self._newest.maxlen and now_ns - self._newest[0] <= self._span_ns:
            self._until_ns = now_ns + self._span_ns

    def holds(self, now_ns: int) -> bool:
        """Whether it is too often."""
        return now_ns < self._until_ns
