"""What is said over MQTT, all of it in this file, ``health.py`` and ``updates.py``. Field names are the names on the wire.

Rules: ``v`` counts up when a field changes its meaning or goes, not when one is added; a consumer ignores fields that it does not
know. Times are RFC 3339 in UTC with milliseconds. Boxes are ``[x0, y0, x1, y1]``, points ``[x, y]``, in pixels of the camera's
picture, rounded to 0.1 px: beyond that is noise.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from edged.core.clock import ClockReading
from edged.core.event import (
    ClockQuality,
    Event,
    LeaveReason,
    ModelChanged,
    ObjectAppeared,
    ObjectLeft,
    SourceBack,
    SourceLost,
    UpdateChanged,
    UpdateState,
)
from edged.core.track import Box
from edged.mqtt.facts import CameraCondition, CameraFacts, LiveFacts, ModelFacts
from edged.mqtt.health import HealthPayload
from edged.mqtt.schema import schemas
from edged.mqtt.updates import UpdatesPayload
from edged.mqtt.wire import Hertz, Milliseconds, PixelBox, PixelPoint, Pixels, Score, Seconds, Time, encode, rfc3339


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


AnyEventPayload = (
    ObjectAppearedPayload | ObjectLeftPayload | SourceLostPayload | SourceBackPayload | ModelChangedPayload | UpdatePayload
)


class CameraPayload(Struct, kw_only=True):
    """The state of a camera and since when; what it delivers while it is online, why it does not while it is lost."""

    camera: str
    state: CameraCondition
    since: Time
    width: Pixels
    height: Pixels
    fps: Hertz | None
    description: str
    reason: str
    v: Literal[1] = 1


class ModelPayload(Struct, kw_only=True):
    """The model that serves under a name, and what it runs on; ``fallback`` says why a wanted accelerator does not run it."""

    model: str
    bundle: str
    version: str
    digest: str
    runtime: str
    delegate: str
    fallback: str
    threads: int
    self_test_ms: Milliseconds
    since: Time
    v: Literal[1] = 1


class LiveObjectPayload(Struct, kw_only=True):
    """One object in view."""

    object_id: str
    label: str
    score: Score
    box: PixelBox


class LivePayload(Struct, kw_only=True):
    """What one camera sees in frame number ``seq``."""

    camera: str
    seq: int
    time: Time
    media_s: Seconds | None
    inference_ms: Milliseconds
    objects: tuple[LiveObjectPayload, ...]
    v: Literal[1] = 1


PAYLOADS: dict[str, type[Struct]] = {
    "object_appeared": ObjectAppearedPayload,
    "object_left": ObjectLeftPayload,
    "source_lost": SourceLostPayload,
    "source_back": SourceBackPayload,
    "model_changed": ModelChangedPayload,
    "update": UpdatePayload,
    "camera": CameraPayload,
    "model": ModelPayload,
    "live": LivePayload,
    "health": HealthPayload,
    "updates": UpdatesPayload,
}
"""Every payload by the topic level (or kind of event) that carries it."""


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
    return encode(_event_payload(event, head))


def encode_camera(camera: CameraFacts, now: ClockReading) -> bytes:
    """The state of a camera."""
    return encode(
        CameraPayload(
            camera=camera.camera,
            state=camera.state,
            since=rfc3339(now.unix_ms_at(camera.since_ns)),
            width=camera.width,
            height=camera.height,
            fps=None if camera.fps is None else round(camera.fps, 3),
            description=camera.description,
            reason=camera.reason,
        )
    )


def encode_model(model: ModelFacts, now: ClockReading) -> bytes:
    """The state of a model."""
    return encode(
        ModelPayload(
            model=model.model_name,
            bundle=model.bundle,
            version=model.version,
            digest=model.digest,
            runtime=model.runtime,
            delegate=model.delegate,
            fallback=model.fallback,
            threads=model.threads,
            self_test_ms=round(model.self_test_ms, 1),
            since=rfc3339(now.unix_ms_at(model.at_ns)),
        )
    )


def encode_live(live: LiveFacts, now: ClockReading) -> bytes:
    """What a camera sees in one frame."""
    objects = (
        LiveObjectPayload(object_id=found.object_id, label=found.label, score=_score(found.score), box=_box(found.box))
        for found in live.objects
    )
    return encode(
        LivePayload(
            camera=live.camera,
            seq=live.seq,
            time=rfc3339(now.unix_ms_at(live.captured_ns)),
            media_s=_seconds(live.media_s),
            inference_ms=round(live.inference_ms, 1),
            objects=tuple(objects),
        )
    )


def decode_event(payload: bytes) -> AnyEventPayload:
    """An event from the wire; raises msgspec.MsgspecError for anything else."""
    event: AnyEventPayload = _EVENT_DECODER.decode(payload)
    return event


def json_schema() -> dict[str, dict[str, Any]]:
    """The JSON Schema (2020-12) of every payload, by the keys of ``PAYLOADS``; each stands alone."""
    found = {}
    for name, struct in PAYLOADS.items():
        (schema,), components = schemas([struct], "#/$defs/{name}")
        found[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": components}
    return found


_EVENT_DECODER = msgspec.json.Decoder(AnyEventPayload)


def _event_payload(event: Event, head: dict[str, Any]) -> AnyEventPayload:
    match event.occurrence:
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


def _box(box: Box) -> Box:
    x0, y0, x1, y1 = box
    return round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1)


def _score(score: float) -> float:
    return round(score, 4)


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
