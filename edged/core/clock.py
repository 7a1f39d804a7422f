"""Wall-clock time for things that were stamped with CLOCK_MONOTONIC.

Pure: a reading is taken at the edge and handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from edged.core.event import ClockQuality


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Both clocks, read together."""

    monotonic_ns: int
    unix_ns: int
    quality: ClockQuality

    def unix_ms_at(self, monotonic_ns: int) -> int:
        """The wall-clock time in milliseconds of a moment on CLOCK_MONOTONIC, assuming no step of the wall clock since."""
        return (self.unix_ns - (self.monotonic_ns - monotonic_ns)) // 1_000_000
