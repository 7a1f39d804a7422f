"""When the daemon is ready, and whether the vision process still makes progress.

Pure: reports and times go in, a judgement comes out.
"""

from __future__ import annotations

from collections.abc import Iterable

from edged.vision import ipc

PROGRESS_DEADLINE_S = 20.0
"""Frames wait and none was inferred for so long: the inference is stuck, not slow."""

SLOWEST_INFERENCES = 5
"""A model that is slower than the deadline by itself gets so many times its self-test."""


class Health:
    """Readiness of the whole since its start; progress of one life of the vision process after the other."""

    def __init__(self, required: Iterable[str]) -> None:
        self.require(required)
        self._seen: set[str] = set()
        self._inferred: dict[str, int] = {}
        self._progress_at_s: float | None = None
        self._deadline_s = PROGRESS_DEADLINE_S

    def require(self, cameras: Iterable[str]) -> None:
        """These cameras decide about readiness."""
        self._required = frozenset(cameras)

    @property
    def ready(self) -> bool:
        """Whether a frame of every required camera was inferred since the start (which no model does before its self-test)."""
        return self._required <= self._seen

    def vision_changed(self) -> None:
        """A life of the vision process began or ended. Nothing is overdue until its first heartbeat; what was seen stays seen."""
        self._inferred.clear()
        self._progress_at_s = None

    def note_model(self, model: ipc.ModelServes) -> None:
        """A model serves that took so long for its self-test."""
        self._deadline_s = max(self._deadline_s, SLOWEST_INFERENCES * model.self_test_ms / 1e3)

    def note(self, stats: ipc.Stats, now_s: float) -> None:
        """Take in a heartbeat."""
        counts = {camera.camera: camera.inferred for camera in stats.cameras}
        waiting = any(camera.captured > camera.inferred + camera.dropped for camera in stats.cameras)
        if counts != self._inferred or not waiting or self._progress_at_s is None:
            self._progress_at_s = now_s
        self._inferred = counts
        self._seen.update(camera for camera, inferred in counts.items() if inferred)

    def stuck(self, now_s: float) -> bool:
        """Whether the inference missed its deadline."""
        return self._progress_at_s is not None and now_s - self._progress_at_s > self._deadline_s
