"""How often live tracks go out."""

from __future__ import annotations


class LivePace:
    """At most ``max_hz`` a second for each camera; 0 is never. Cameras are as many as the configuration names."""

    def __init__(self, max_hz: float) -> None:
        self._interval_ns = round(1e9 / max_hz) if max_hz > 0 else None
        self._last_ns: dict[str, int] = {}

    @property
    def off(self) -> bool:
        """Whether no live tracks are wanted at all."""
        return self._interval_ns is None

    def admits(self, camera: str, at_ns: int) -> bool:
        """Whether a frame captured at ``at_ns`` (CLOCK_MONOTONIC) is due; if so the next is an interval later."""
        if self._interval_ns is None:
            return False
        last_ns = self._last_ns.get(camera)
        if last_ns is not None and at_ns - last_ns < self._interval_ns:
            return False
        self._last_ns[camera] = at_ns
        return True
