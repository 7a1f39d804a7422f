"""What a person may tune about tracking."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le

from edged.core.settings import settings


@settings
class TrackerSettings:
    """How detections become tracks. Times run on the clock of the scene, so that they mean the same at every frame rate."""

    score_high: Annotated[float, Gt(0), Le(1)] = 0.5
    """Detections at or above this score start tracks and are matched first."""

    score_low: Annotated[float, Ge(0), Le(1)] = 0.2
    """Detections from here up to `score_high` may continue a track, never start one. The detector has to report them: its own
    threshold must not be higher. At or above `score_high` the second stage is off."""

    match_iou: Annotated[float, Gt(0), Le(1)] = 0.2
    """Overlap of prediction and detection, both grown by the uncertainty of the prediction, that a match needs."""

    appear_after_s: Annotated[float, Ge(0), Le(10)] = 0.2
    """An object appears once it was detected in every frame for so long, and in two frames at least."""

    leave_after_s: Annotated[float, Ge(1), Le(600)] = 1.5
    """An object leaves once it was not detected for so long, and in two frames at least; until then its place is predicted."""

    max_tracks: Annotated[int, Ge(1), Le(1000)] = 100
    """Objects followed at once. Beyond it the weakest that have not appeared yet are dropped, and counted."""
