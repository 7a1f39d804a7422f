"""Events as they are said over MQTT. Field names are the names on the wire; the rules are those of ``payload.py``."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from edged.core.event import (
    ClockQuality,
    Event,
    InferenceMade,
    InferenceSource,
    LeaveReason,
    McuBack,
    McuLost,
    ModelChanged,
    ObjectAppeared,
    ObjectLeft,
    Occurrence,
    SourceBack,
    SourceLost,
    UpdateChanged,
    UpdateState,
)
from edged.core.track import Box
from edged.mqtt.wire import Microseconds, Milliseconds, PixelBox, PixelPoint, Score, Seconds, Time, encode, rfc3339


class EventPayload(Struct, kw_only=True, tag_field="kind"):
    """What every event says: ``id`` is ``device/epoch/seq`` and unique for ever, for dropping repeats."""

    id: str
    device: str
    epoch: str
    seq: int
    time: Time
    clock: ClockQuality
    v: Literal[1] = 1


class ObjectAppearedPayload(EventPayload, kw_only=True, tag="object_appeared"):
    """A tracked object came into view."""

    camera: str
    object_id: str
    label: str
    score: Score
    box: PixelBox
    media_s: Seconds | None
    model: str


class ObjectLeftPayload(EventPayload, kw_only=True, tag="object_left"):
    """A tracked object is gone; ``path`` is the way of its foot point."""

    camera: str
    object_id: str
    label: str
    reason: LeaveReason
    dwell_s: Seconds
    best_score: Score
    best_box: PixelBox
    box: PixelBox
    path: tuple[PixelPoint, ...]
    media_s: Seconds | None
    model: str


class SourceLostPayload(EventPayload, kw_only=True, tag="source_lost"):
    """A camera delivers no frames."""

    camera: str
    reason: str


class SourceBackPayload(EventPayload, kw_only=True, tag="source_back"):
    """A camera delivers frames again."""

    camera: str
    outage_s: Seconds


class ModelChangedPayload(EventPayload, kw_only=True, tag="model_changed"):
    """A model began to serve, or serves on another delegate; ``fallback`` says why a wanted accelerator does not run it."""

    model_name: str
    version: str
    digest: str
    previous: str
    delegate: str
    fallback: str


class UpdatePayload(EventPayload, kw_only=True, tag="update"):
    """An update of what the device follows got further, or came to an end; ``code`` says why, in a word that may be new."""

    target_kind: str
    target_id: str
    sequence: int
    version: str
    sha256: str
    state: UpdateState
    code: str
    detail: str


class InferencePayload(EventPayload, kw_only=True, tag="inference"):
    """A microcontroller ran its model; ``time`` is when the result arrived.

    ``label`` and ``score`` are of class ``index``, which scores highest. ``outputs`` are the first of ``outputs_total`` numbers.
    ``inference`` counts from each start of the board. ``model`` begins the SHA-256 of the model's image.
    """

    mcu: str
    inference: int
    source: InferenceSource
    label: str
    index: int
    score: Score
    outputs: tuple[float, ...]
    outputs_total: int
    model: str
    model_version: str
    invoke_us: Microseconds
    uptime_ms: Milliseconds


class McuLostPayload(EventPayload, kw_only=True, tag="mcu_lost"):
    """A microcontroller is not there, or says nothing."""

    mcu: str
    reason: str


class McuBackPayload(EventPayload, kw_only=True, tag="mcu_back"):
    """A microcontroller is heard again."""

    mcu: str
    outage_s: Seconds


AnyEventPayload = (
    ObjectAppearedPayload
    | ObjectLeftPayload
    | SourceLostPayload
    | SourceBackPayload
    | ModelChangedPayload
    | UpdatePayload
    | InferencePayload
    | McuLostPayload
    | McuBackPayload
)

EVENT_PAYLOADS: dict[str, type[EventPayload]] = {
    "object_appeared": ObjectAppearedPayload,
    "object_left": ObjectLeftPayload,
    "source_lost": SourceLostPayload,
    "source_back": SourceBackPayload,
    "model_changed": ModelChangedPayload,
    "update": UpdatePayload,
    "inference": InferencePayload,
    "mcu_lost": McuLostPayload,
    "mcu_back": McuBackPayload,
}
"""By kind."""


def encode_event(event: Event) -> bytes:
    """An event as one line of JSON."""
    head: dict[str, Any] = {
        "id": str(event.id),
        "device": event.id.device,
        "epoch": event.id.epoch,
        "seq": event.id.seq,
        "time": rfc3339(event.unix_ms),
        "clock": event.clock,
    }
    return encode(_event_payload(event.occurrence, head))


def decode_event(payload: bytes) -> AnyEventPayload:
    """An event from the wire; raises msgspec.MsgspecError for anything else."""
    event: AnyEventPayload = _EVENT_DECODER.decode(payload)
    return event


_EVENT_DECODER = msgspec.json.Decoder(AnyEventPayload)


def _event_payload(occurrence: Occurrence, head: dict[str, Any]) -> AnyEventPayload:  # noqa: PLR0911 - one for each
    match occurrence:
        case ObjectAppeared() as it:
            return ObjectAppearedPayload(
                **head,
                camera=it.camera,
                object_id=it.object_id,
                label=it.label,
                score=_score(it.score),
                box=_box(it.box),
                media_s=_seconds(it.media_s),
                model=it.model,
            )
        case ObjectLeft() as it:
            return ObjectLeftPayload(
                **head,
                camera=it.camera,
                object_id=it.object_id,
                label=it.label,
                reason=it.reason,
                dwell_s=round(it.dwell_s, 3),
                best_score=_score(it.best_score),
                best_box=_box(it.best_box),
                box=_box(it.box),
                path=tuple((round(x, 1), round(y, 1)) for x, y in it.path),
                media_s=_seconds(it.media_s),
                model=it.model,
            )
        case SourceLost() as it:
            return SourceLostPayload(**head, camera=it.camera, reason=it.reason)
        case SourceBack() as it:
            return SourceBackPayload(**head, camera=it.camera, outage_s=round(it.outage_s, 3))
        case ModelChanged() as it:
            return ModelChangedPayload(
                **head,
                model_name=it.model_name,
                version=it.version,
                digest=it.digest,
                previous=it.previous,
                delegate=it.delegate,
                fallback=it.fallback,
            )
        case UpdateChanged() as it:
            return UpdatePayload(
                **head,
                target_kind=it.target_kind,
                target_id=it.target_id,
                sequence=it.sequence,
                version=it.version,
                sha256=it.sha256,
                state=it.state,
                code=it.code,
                detail=it.detail,
            )
        case InferenceMade() | McuLost() | McuBack() as it:
            return _mcu_payload(it, head)


def _mcu_payload(occurrence: InferenceMade | McuLost | McuBack, head: dict[str, Any]) -> AnyEventPayload:
    match occurrence:
        case InferenceMade() as it:
            return InferencePayload(
                **head,
                mcu=it.mcu,
                inference=it.inference,
                source=it.source,
                label=it.label,
                index=it.index,
                score=_score(it.score),
                outputs=tuple(round(value, 6) for value in it.outputs),
                outputs_total=it.outputs_total,
                model=it.model,
                model_version=it.model_version,
                invoke_us=it.invoke_us,
                uptime_ms=it.uptime_ms,
            )
        case McuLost() as it:
            return McuLostPayload(**head, mcu=it.mcu, reason=it.reason)
        case McuBack() as it:
            return McuBackPayload(**head, mcu=it.mcu, outage_s=round(it.outage_s, 3))


def _box(box: Box) -> Box:
    x0, y0, x1, y1 = box
    return round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1)


def _score(score: float) -> float:
    return round(score, 4)


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
