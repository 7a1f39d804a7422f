"""What the vision process counts of each camera."""

from __future__ import annotations

from dataclasses import dataclass

from edged.core.latency import NO_LATENCY, Latency


@dataclass(frozen=True, slots=True)
class CameraStats:
    """Counters of one camera since ``since_ns`` (CLOCK_MONOTONIC), when it was first opened by this process.

    ``*_cpu_ms`` is CPU time of all frames together. ``captured = inferred + dropped`` (replaced by a newer frame before inference)
    ``+ waiting``, where waiting is at most three: in the mailbox, prepared, and under inference.
    """

    camera: str
    captured: int
    dropped: int
    inferred: int
    tracks: int
    tracks_dropped: int
    live_unsent: int
    capture_cpu_ms: float
    prepare_cpu_ms: float
    decode_cpu_ms: float
    track_cpu_ms: float
    report_cpu_ms: float
    invoke_ms: float
    """Wall time of all inferences together."""
    invoke_cpu_ms: float
    """CPU time of the inference thread alone; with more threads the interpreter uses others besides."""
    age_ms: float
    """Capture to result of the last frame."""
    newest_age_ms: float | None = None
    """How old the newest captured frame is now, ``None`` before the first: grows while a camera is silent."""
    damaged: int = 0
    """Pictures that could not be decoded; not among ``captured``."""
    late: int = 0
    """Pictures that were too old to be worth anything when they came; not among ``captured``."""
    since_ns: int = 0
    decoded_age: Latency = NO_LATENCY
    """From capture until the picture is there, of every captured frame."""
    inferred_age: Latency = NO_LATENCY
    """From capture until the model's outputs are there, of every inferred frame."""
    reported_age: Latency = NO_LATENCY
    """From capture until its events are on their way to the main process, of every inferred frame."""
    invoke: Latency = NO_LATENCY
    """How long the interpreter took, of every inferred frame."""
    detections: int = 0
    """What the model saw in all frames together: boxes at or above the score from which they count."""
    not_finite: int = 0
    """Frames for which the model put out NaN or infinite numbers."""
