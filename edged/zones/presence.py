"""Tracks into events: an object appeared, an object left.

Rules:
- Every ``ObjectAppeared`` is followed by exactly one ``ObjectLeft`` of the same id, whatever ends the object.
- What is kept of an object dies with it.
- An object keeps the label and the id that it appeared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edged.core.event import LeaveReason, ObjectAppeared, ObjectLeft
from edged.core.track import Box, Track
from edged.zones.path import Path


@dataclass(frozen=True, slots=True)
class FrameTime:
    """When a frame was: ``captured_ns`` on CLOCK_MONOTONIC, ``media_ns`` in its recording (``None``: a live camera)."""

    captured_ns: int
    media_ns: int | None

    @property
    def scene_ns(self) -> int:
        """Nanoseconds on the clock of the scene: the recording's if there is one, else CLOCK_MONOTONIC."""
        return self.captured_ns if self.media_ns is None else self.media_ns

    @property
    def media_s(self) -> float | None:
        """Seconds into the recording."""
        return None if self.media_ns is None else self.media_ns / 1e9


class TrackChanges(Protocol):
    """What a tracker says of one frame: the confirmed ``tracks`` that are alive, and those that ``ended`` in it."""

    @property
    def tracks(self) -> Sequence[Track]: ...  # noqa: D102

    @property
    def ended(self) -> Sequence[Track]: ...  # noqa: D102


@dataclass(slots=True)
class _Present:
    """What is kept of an object while it is there; ``track`` is its latest matched state."""

    label: str
    object_id: str
    track: Track
    best_score: float
    best_box: Box
    path: Path = field(default_factory=Path)

    def see(self, track: Track) -> None:
        self.track = track
        if track.score > self.best_score:
            self.best_score, self.best_box = track.score, track.box
        x0, _, x1, y1 = track.box
        self.path.add(((x0 + x1) / 2, y1))


class Presence:
    """The objects that are in view of one camera.

    ``labels`` names a class id, ``model`` is the digest of the model that sees; ``run`` makes the ids of this life of the
    process differ from those of every other.
    """

    def __init__(self, camera: str, labels: Callable[[int], str], model: str, run: str) -> None:
        self._camera = camera
        self._labels = labels
        self._model = model
        self._run = run
        self._present: dict[int, _Present] = {}

    def update(self, update: TrackChanges, frame_time: FrameTime) -> list[ObjectAppeared | ObjectLeft]:
        """What the tracks of one frame mean."""
        occurrences: list[ObjectAppeared | ObjectLeft] = []
        for track in update.ended:
            present = self._present.pop(track.id, None)
            if present is not None:
                occurrences.append(self._left(present, "left", frame_time))
        for track in update.tracks:
            present = self._present.get(track.id)
            if present is None:
                name = self._labels(track.class_id)
                present = self._present[track.id] = _Present(name, self.object_id(track), track, track.score, track.box)
                occurrences.append(self._appeared(present, frame_time))
            if track.matched:
                present.see(track)
        return occurrences

    def finish(self, reason: LeaveReason, frame_time: FrameTime) -> list[ObjectAppeared | ObjectLeft]:
        """Close all objects that are still there, as of the last frame."""
        occurrences: list[ObjectAppeared | ObjectLeft] = [
            self._left(present, reason, frame_time) for present in self._present.values()
        ]
        self._present.clear()
        return occurrences

    def take_over(self, before: Presence, unknown: Iterable[Track], frame_time: FrameTime) -> list[ObjectLeft]:
        """Go on with the objects that ``before``, the same camera seen by another model, had in view; it has none from then on.

        Those of the tracks ``unknown`` are not followed any more: what is returned says so, in the name of the model that saw them.
        """
        gone = [before._present.pop(track.id) for track in unknown if track.id in before._present]
        self._present, before._present = before._present, {}
        self._run = before._run  # the tracker's numbers go on as well
        return [before._left(present, "stopped", frame_time) for present in gone]

    def _appeared(self, present: _Present, frame_time: FrameTime) -> ObjectAppeared:
        track = present.track
        return ObjectAppeared(
            camera=self._camera,
            object_id=present.object_id,
            label=present.label,
            score=track.score,
            box=track.box,
            at_ns=frame_time.captured_ns,
            media_s=frame_time.media_s,
            model=self._model,
        )

    def _left(self, present: _Present, reason: LeaveReason, frame_time: FrameTime) -> ObjectLeft:
        track = present.track
        return ObjectLeft(
            camera=self._camera,
            object_id=present.object_id,
            label=present.label,
            reason=reason,
            dwell_s=(track.last_matched_ns - track.first_ns) / 1e9,
            best_score=present.best_score,
            best_box=present.best_box,
            box=track.box,
            path=present.path.points(),
            at_ns=frame_time.captured_ns,
            media_s=frame_time.media_s,
            model=self._model,
        )

    def object_id(self, track: Track) -> str:
        """What a track is called outside: unique on this device, over cameras and restarts."""
        return f"{self._camera}-{self._run}-{track.id}"
