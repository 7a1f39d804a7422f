"""An object followed through frames."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in source-frame pixels."""


@dataclass(frozen=True, slots=True)
class Track:
    """The state of one confirmed object after a frame.

    ``id`` counts from 1 within one tracker and is never used again. ``score`` is that of the last matched detection. ``box`` is
    the filtered estimate; ``matched`` says whether a detection supported it in this frame (else it is a prediction through
    occlusion). Times are on the scene clock (``Frame.scene_ns``).
    """

    id: int
    class_id: int
    score: float
    box: Box
    matched: bool
    first_ns: int
    last_matched_ns: int
