"""All that is known of the tracks, one row a track: so they are cut, joined and indexed together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edged.core.detections import Detections
from edged.core.track import Track
from edged.tracking import kalman

ROW = np.dtype(
    [
        ("id", np.int64),
        ("class_id", np.int32),
        ("score", np.float32),  # of the last matched detection
        ("first_ns", np.int64),
        ("last_ns", np.int64),  # last matched
        ("missed", np.int32),  # frames since then
        ("confirmed", np.bool_),
        ("mean", np.float64, (8,)),
        ("cov", np.float64, (3,)),
    ]
)
Rows = NDArray[np.void]


def no_rows() -> Rows:
    """Rows of no track."""
    return np.zeros(0, ROW)


def started_rows(detections: Detections, first_id: int, scene_ns: int) -> Rows:
    """Rows of unconfirmed tracks, one for each detection."""
    rows = np.zeros(len(detections), ROW)
    rows["id"] = np.arange(first_id, first_id + len(detections))
    rows["class_id"], rows["score"] = detections.class_id, detections.score
    rows["first_ns"] = rows["last_ns"] = scene_ns
    rows["mean"], rows["cov"] = kalman.start(kalman.measured_of(detections.xyxy))
    return rows


def tracks_of(rows: Rows) -> tuple[Track, ...]:
    """The rows as others may see them."""
    if not len(rows):
        return ()
    fields = (rows[name].tolist() for name in ("id", "class_id", "score", "missed", "first_ns", "last_ns"))
    boxes = kalman.xyxy_of(rows["mean"]).tolist()
    return tuple(
        Track(track_id, class_id, score, (x0, y0, x1, y1), missed == 0, first_ns, last_ns)
        for track_id, class_id, score, missed, first_ns, last_ns, (x0, y0, x1, y1) in zip(*fields, boxes, strict=True)
    )
