"""How far a candidate agreed with the model that serves, in words and as a verdict. No I/O."""

from __future__ import annotations

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota.judgement import FEW_DETECTIONS, SLOWER
from edged.ota.target import Limits
from edged.vision.ipc import Agreement


def share(agreement: Agreement) -> float | None:
    """Of all objects that either saw, the part that both did; ``None`` if there were too few to say."""
    seen = agreement.matched + agreement.only_serving + agreement.only_candidate
    return agreement.matched / seen if seen >= FEW_DETECTIONS else None


def describe(agreement: Agreement) -> str:
    """One line for people."""
    parts = [
        f"{agreement.frames} frames",
        f"both saw {agreement.matched}",
        f"only the old one {agreement.only_serving}, only the new one {agreement.only_candidate}",
    ]
    if agreement.score_drift is not None:
        parts.append(f"scores {agreement.score_drift:+.2f}")
    if agreement.latency_ratio is not None:
        parts.append(f"{agreement.latency_ratio:.1f} times the time")
    return ", ".join(parts) + (f"; {agreement.message}" if agreement.message else "")


def check(agreement: Agreement, limits: Limits, min_agreement: float) -> None:
    """Whether it may go on trial; raises UpdateRefused, or UpdateFailed where that could not be found out.

    Where there was no room for both, the trial has to show it.
    """
    told = describe(agreement)
    if agreement.ended == "stopped":
        raise UpdateFailed("interrupted", told)
    if agreement.ended == "failed":
        raise UpdateRefused("crashed", told)
    if agreement.not_finite:
        raise UpdateRefused("output_not_finite", told)
    if limits.p95_ms is None and agreement.latency_ratio is not None and agreement.latency_ratio > SLOWER:
        raise UpdateRefused("slow", told)
    agreed = share(agreement)
    if agreed is not None and agreed < min_agreement:
        raise UpdateRefused("sees_less" if agreement.only_serving > agreement.only_candidate else "sees_more", told)
