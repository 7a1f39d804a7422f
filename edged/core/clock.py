"""Wall-clock time for things that were stamped with CLOCK_MONOTONIC.

Pure: a reading is taken at the edge and handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from edged.core.event import ClockQuality

STEP_NS = 60 * 10**9
"""What the wall clock is not slewed by in the time that anyone here waits (adjtimex(2): at most 0.5 ms a second)."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Both clocks, read together."""

    monotonic_ns: int
    unix_ns: int
    quality: ClockQuality

    def unix_ms_at(self, monotonic_ns: int) -> int:
        """The wall-clock time in milliseconds of a moment on CLOCK_MONOTONIC, assuming no step of the wall clock since."""
        return (self.unix_ns - (self.monotonic_ns - monotonic_ns)) // 1_000_000

    def was_set_since(self, before: ClockReading) -> bool:
        """Whether the wall clock was set, or can be trusted only since then: what was judged by it before is to be again."""
        step_ns = (self.unix_ns - self.monotonic_ns) - (before.unix_ns - before.monotonic_ns)
        return abs(step_ns) > STEP_NS or (self.quality != before.quality and self.quality == "synchronised")
