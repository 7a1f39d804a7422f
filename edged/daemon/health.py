"""When the daemon is ready, and whether it still makes progress.

Pure: reports and times go in, a judgement comes out.
"""

from __future__ import annotations

from collections.abc import Iterable

from edged.vision import ipc

PROGRESS_DEADLINE_S = 20.0
"""Frames wait and none was inferred for so long: the inference is stuck, not slow."""


class Health:
    """Readiness of the whole, progress of the vision process."""

    def __init__(self, required: Iterable[str]) -> None:
        self._required = frozenset(required)
        self._inferred: dict[str, int] = {}
        self._progress_at_s = 0.0

    @property
    def ready(self) -> bool:
        """Whether a frame of every required camera was inferred since the start (which no model does before its self-test)."""
        return all(self._inferred.get(camera, 0) > 0 for camera in self._required)

    def vision_started(self, now_s: float) -> None:
        """A new vision process begins to count from zero; readiness, once reached, stays."""
        self._progress_at_s = now_s

    def note(self, stats: ipc.Stats, now_s: float) -> None:
        """Take in a heartbeat."""
        for camera in stats.cameras:
            waiting = camera.captured > camera.inferred + camera.dropped
            if camera.inferred != self._inferred.get(camera.camera) or not waiting:
                self._progress_at_s = now_s
            if camera.inferred or camera.camera not in self._inferred:
                self._inferred[camera.camera] = camera.inferred

    def stuck(self, now_s: float) -> bool:
        """Whether the inference missed its deadline."""
        return now_s - self._progress_at_s > PROGRESS_DEADLINE_S
