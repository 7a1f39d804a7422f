"""How long something took, over all times that it happened: counts in fixed buckets, so that memory does not grow.

Pure. A histogram is added to where something happens; what leaves the thread or process is its frozen reading, which can be added
to and subtracted from others, so that quantiles can be told of any span between two readings.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

BOUNDS_MS = (*(step * decade for decade in (1, 10, 100, 1000) for step in (1, 1.5, 2, 3, 5, 7)), 10_000)
"""Upper bounds of the buckets, each included; one more bucket holds what took longer. Each is about 1.5 times the one before, which
is as far off as a quantile can be."""

BUCKETS = len(BOUNDS_MS) + 1
_BOUNDS_NS = tuple(round(bound * 1_000_000) for bound in BOUNDS_MS)


@dataclass(frozen=True, slots=True)
class Latency:
    """How often something took how long: ``counts`` by bucket, and all of it together in seconds.

    Raises ValueError where the numbers cannot be such counts: readings come from another process.
    """

    counts: tuple[int, ...] = (0,) * BUCKETS
    total_s: float = 0.0

    def __post_init__(self) -> None:
        if len(self.counts) != BUCKETS or min(self.counts) < 0 or not 0 <= self.total_s < float("inf"):
            raise ValueError(f"{BUCKETS} counts and a time, none negative, are a latency")

    @property
    def count(self) -> int:
        """How often it happened."""
        return sum(self.counts)

    def __add__(self, other: Latency) -> Latency:
        return Latency(tuple(map(sum, zip(self.counts, other.counts, strict=True))), self.total_s + other.total_s)

    def since(self, before: Latency) -> Latency:
        """What came after the reading ``before``; all of it if this is no continuation of that."""
        grown = tuple(now - then for now, then in zip(self.counts, before.counts, strict=True))
        if min(grown) < 0 or self.total_s < before.total_s:
            return self
        return Latency(grown, self.total_s - before.total_s)

    def quantile_ms(self, q: float) -> float | None:
        """The time within which the share ``q`` (0..1) was done, in ms, straight between bounds; ``None`` if it never happened.

        What lies beyond the last bound counts as the last bound. The same rule as ``histogram_quantile`` of Prometheus.
        """
        rank = q * self.count
        below = 0
        for bucket, count in enumerate(self.counts[:-1]):
            if count and below + count >= rank:
                lower = BOUNDS_MS[bucket - 1] if bucket else 0.0
                return lower + (BOUNDS_MS[bucket] - lower) * (rank - below) / count
            below += count
        return float(BOUNDS_MS[-1]) if self.count else None


NO_LATENCY = Latency()
"""Nothing happened yet."""


class Histogram:
    """Counts what is added; by one thread, read by any."""

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self._total_ns = 0

    def add(self, took_ns: int) -> None:
        """Count one time; less than nothing, as clocks of cameras may say, is nothing."""
        took_ns = max(took_ns, 0)
        self._counts[bisect_left(_BOUNDS_NS, took_ns)] += 1
        self._total_ns += took_ns

    def read(self) -> Latency:
        """What was counted so far."""
        return Latency(tuple(self._counts), self._total_ns / 1e9)
