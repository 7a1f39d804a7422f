"""Detections of one camera into tracks, after ByteTrack (Zhang et al., ECCV 2022).

Rules:
- An id is given once. A track never changes its class.
- Appearing and leaving take time and at least two frames each, so neither a flicker nor one missed frame is an event.
- Nobody leaves because the picture changed: waiting begins anew at a cut, for a bounded time.
- Everything runs on the scene's clock. If that goes back (a recording starts again) every track ends.
- What is known of an object dies with its track.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged.core.detections import Detections
from edged.core.geometry import iou_matrix
from edged.core.track import Track
from edged.tracking import kalman
from edged.tracking.assign import assign
from edged.tracking.rows import no_rows, started_rows, tracks_of
from edged.tracking.settings import TrackerSettings

MAX_GROWTH = 2.0
"""However uncertain a prediction is, boxes are not grown by more sizes than this to find a match."""

SECOND_BOX_IOU = 0.4
"""Boxes of one class that overlap so much are taken for one object: detectors that suppress at an IoU of 0.6 leave such pairs. A
second box starts no track and keeps none alive; of two real objects that close the hidden one coasts until they part."""

CUT_GRACE_NS = 3_000_000_000
"""How long after it was last detected cuts may keep an object from leaving: what a camera takes to switch to night vision and find
its exposure, generously. The bound is for flashing lights and panning cameras, whose cuts never end."""


@dataclass(frozen=True, slots=True)
class TrackUpdate:
    """What one frame did: ``tracks`` are confirmed and alive, coasting ones (``matched`` false) included; ``ended`` just left."""

    tracks: tuple[Track, ...] = ()
    ended: tuple[Track, ...] = ()


NOTHING = TrackUpdate()
Mask = NDArray[np.bool_]


class Tracker:
    """Follows the objects of one camera. ``dropped`` counts unconfirmed tracks that ``max_tracks`` left no room for.

    ``high_by_class`` holds the class ids whose detections are strong from another score than ``score_high``.
    """

    def __init__(self, settings: TrackerSettings, high_by_class: Mapping[int, float] | None = None) -> None:
        self._settings = settings
        self._high_by_class = high_by_class or {}
        self._rows = no_rows()
        self._scene_ns = 0
        self._cut_ns = -CUT_GRACE_NS
        self._next_id = 1
        self.dropped = 0

    def update(self, detections: Detections, scene_ns: int) -> TrackUpdate:
        """Take in the ``detections`` (source-frame px) of the frame at ``scene_ns``."""
        if not len(self._rows) and not len(detections):
            return NOTHING
        ended = self.finish() if scene_ns < self._scene_ns else ()
        self._predict(scene_ns)
        match = self._associate(detections)
        self._correct(detections, match, scene_ns)
        ended += self._expire(scene_ns)
        self._start(detections, match, scene_ns)
        return TrackUpdate(self.tracks, ended)

    def cut(self, scene_ns: int) -> None:
        """Take note that the picture as a whole changed at ``scene_ns``; to be said before the ``update`` with that frame."""
        self._cut_ns = scene_ns

    def finish(self) -> tuple[Track, ...]:
        """End every track; the confirmed ones are returned."""
        rows, self._rows = self._rows, no_rows()
        return tracks_of(rows[rows["confirmed"]])

    def take_over(self, before: Tracker, class_of: Callable[[int], int | None]) -> tuple[Track, ...]:
        """Follow what ``before`` did, which is of no use from then on: its tracks, its clock, its cuts, and its ids go on.

        ``class_of`` gives the number that a class of ``before`` has here. Tracks of classes that have none end; the confirmed ones
        are returned, with the class that they had.
        """
        rows = before._rows
        here = [class_of(class_id) for class_id in rows["class_id"].tolist()]
        known = np.array([class_id is not None for class_id in here], np.bool_)
        ended = tracks_of(rows[~known & rows["confirmed"]])
        self._rows = rows[known]
        self._rows["class_id"] = [class_id for class_id in here if class_id is not None]
        self._scene_ns, self._cut_ns, self._next_id = before._scene_ns, before._cut_ns, before._next_id
        return ended

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The confirmed tracks that are alive."""
        return tracks_of(self._rows[self._rows["confirmed"]])

    def strong(self, detections: Detections) -> Mask:
        """Which of ``detections`` reach the score from which they count."""
        return counting(detections, self._settings.score_high, self._high_by_class)

    def _predict(self, scene_ns: int) -> None:
        dt_s, self._scene_ns = (scene_ns - self._scene_ns) / 1e9, scene_ns
        rows = self._rows
        if len(rows):
            rows["mean"], rows["cov"] = kalman.predict(rows["mean"], rows["cov"], dt_s)

    def _associate(self, detections: Detections) -> NDArray[np.intp]:
        """The position of the track of each detection, or -1.

        Confirmed tracks choose among the strong detections first, then among the weak ones; what is left of the strong ones
        may confirm tracks that have not appeared yet. A weak detection alone is too often nothing at all.
        """
        match = np.full(len(detections), -1, np.intp)
        rows, settings = self._rows, self._settings
        if not len(rows) or not len(detections):
            return match
        growth_px = kalman.position_std_px(rows["mean"], rows["cov"], MAX_GROWTH)
        cost = 1 - iou_matrix(kalman.xyxy_of(rows["mean"]), detections.xyxy, growth_px)
        cost[rows["class_id"][:, None] != detections.class_id] = np.inf
        confirmed, strong = rows["confirmed"], self.strong(detections)
        weak = ~strong & (detections.score >= settings.score_low)
        free = np.ones(len(rows), np.bool_)

        def pair(tracks: Mask, candidates: Mask) -> None:
            (d,) = (candidates & (match < 0)).nonzero()
            (t,) = (tracks & free).nonzero() if len(d) else (d,)
            if len(t):
                i, j = assign(cost[np.ix_(t, d)], 1 - settings.match_iou)
                match[d[j]] = t[i]
                free[t[i]] = False

        pair(confirmed, strong)
        if weak.any() and (confirmed & free).any():
            pair(confirmed, weak & ~_same_object(detections, detections.take(match >= 0)).any(axis=1))
        pair(~confirmed, strong)
        return match

    def _correct(self, detections: Detections, match: NDArray[np.intp], scene_ns: int) -> None:
        rows = self._rows
        seen = np.flatnonzero(match >= 0)
        at = match[seen]
        rows["missed"] += 1
        rows["missed"][at] = 0
        rows["last_ns"][at] = scene_ns
        rows["score"][at] = detections.score[seen]
        measured = kalman.measured_of(detections.xyxy[seen])
        rows["mean"][at], rows["cov"][at] = kalman.correct(rows["mean"][at], rows["cov"][at], measured)
        rows["confirmed"][at] |= scene_ns - rows["first_ns"][at] >= self._settings.appear_after_s * 1e9
        rows["mean"][rows["missed"] > 0, kalman.SIZE_RATES] = 0

    def _expire(self, scene_ns: int) -> tuple[Track, ...]:
        """Cut out what is over: unconfirmed tracks at their first missed frame, confirmed ones when they left."""
        rows = self._rows
        waited_since_ns = np.maximum(rows["last_ns"], np.minimum(self._cut_ns, rows["last_ns"] + CUT_GRACE_NS))
        left = (rows["missed"] >= 2) & (scene_ns - waited_since_ns >= self._settings.leave_after_s * 1e9)
        over = np.where(rows["confirmed"], left, rows["missed"] > 0)
        if not over.any():
            return ()
        self._rows = rows[~over]
        return tracks_of(rows[over & rows["confirmed"]])

    def _start(self, detections: Detections, match: NDArray[np.intp], scene_ns: int) -> None:
        """Start a track for every strong detection that is neither matched nor a second box of what is there."""
        new = detections.take((match < 0) & self.strong(detections))
        if not len(new):
            return
        new = new.take(np.argsort(-new.score, kind="stable"))
        there = Detections(kalman.xyxy_of(self._rows["mean"]), self._rows["score"], self._rows["class_id"])
        new = new.take(np.flatnonzero(~_same_object(new, there).any(axis=1)))
        new = new.take(np.flatnonzero(~np.tril(_same_object(new, new), -1).any(axis=1)))
        self._rows = np.concatenate([self._rows, started_rows(new, self._next_id, scene_ns)])
        self._next_id += len(new)
        self._drop_weakest()

    def _drop_weakest(self) -> None:
        excess = len(self._rows) - self._settings.max_tracks
        if excess > 0:
            strength = np.lexsort((self._rows["score"], self._rows["confirmed"]))
            self._rows = self._rows[np.sort(strength[excess:])]
            self.dropped += excess


def counting(detections: Detections, score_high: float, high_by_class: Mapping[int, float]) -> Mask:
    """Which of ``detections`` reach the score from which those of their class count."""
    high = np.full(len(detections), score_high, np.float32)
    for class_id, threshold in high_by_class.items():
        high[detections.class_id == class_id] = threshold
    strong: Mask = detections.score >= high
    return strong


def _same_object(a: Detections, b: Detections) -> Mask:
    """Which boxes of ``a`` (n) are second boxes of which of ``b`` (m): (n, m)."""
    same: Mask = (iou_matrix(a.xyxy, b.xyxy) >= SECOND_BOX_IOU) & (a.class_id[:, None] == b.class_id)
    return same
