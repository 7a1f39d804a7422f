"""How events read to a person."""

from __future__ import annotations

from datetime import UTC, datetime

from edged.core.event import (
    Event,
    InferenceMade,
    McuBack,
    McuLost,
    ModelChanged,
    ObjectAppeared,
    ObjectLeft,
    SourceBack,
    SourceLost,
    UpdateChanged,
)

REASONS = {
    "left": "",
    "source_lost": " (its camera was lost)",
    "stopped": " (stopped)",
    "interrupted": " (interrupted)",
}


def local_time(event: Event) -> str:
    """When it happened, as this machine's wall clock shows it."""
    return f"{datetime.fromtimestamp(event.unix_ms / 1000, UTC).astimezone():%H:%M:%S}"


def describe(event: Event) -> str:  # noqa: PLR0911 - one for each kind
    """One line without the time."""
    match event.occurrence:
        case ObjectAppeared() as it:
            return f"{it.camera}: {it.label} {it.object_id} appeared, score {it.score:.2f}{_position(it.media_s)}"
        case ObjectLeft() as it:
            stay = f"left after {it.dwell_s:.1f} s, best score {it.best_score:.2f}{_position(it.media_s)}{REASONS[it.reason]}"
            return f"{it.camera}: {it.label} {it.object_id} {stay}"
        case SourceLost() as it:
            return f"{it.camera}: lost: {it.reason}"
        case SourceBack() as it:
            return f"{it.camera}: back after {it.outage_s:.1f} s"
        case ModelChanged() as it:
            why = f", not on an accelerator: {it.fallback}" if it.fallback else ""
            return f"model {it.model_name}: {it.version} ({it.digest[:12]}) serves on {it.delegate}{why}"
        case UpdateChanged() as it:
            why = f" ({it.code}: {it.detail})" if it.code != "ok" else ""
            return f"update of {it.target_kind} {it.target_id}: {it.version or 'none'} {it.state}{why}"
        case InferenceMade() as it:
            return f"mcu {it.mcu}: {it.label}, score {it.score:.2f}, {it.invoke_us / 1e3:.1f} ms"
        case McuLost() as it:
            return f"mcu {it.mcu}: lost: {it.reason}"
        case McuBack() as it:
            return f"mcu {it.mcu}: back after {it.outage_s:.1f} s"


def _position(media_s: float | None) -> str:
    return "" if media_s is None else f", at {media_s:.1f} s"
