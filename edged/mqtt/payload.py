"""What is said over MQTT: states and live tracks here, the rest in files that this one imports. Field names are those on the wire.

Rules: ``v`` counts up when a field changes its meaning or goes, not when one is added; a consumer ignores fields that it does not
know. Times are RFC 3339 in UTC with milliseconds. Boxes are ``[x0, y0, x1, y1]``, points ``[x, y]``, in pixels of the camera's
picture, rounded to 0.1 px: beyond that is noise.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from edged.core.clock import ClockReading
from edged.core.track import Box
from edged.mqtt.commands import COMMAND_PAYLOADS, AnswerPayload
from edged.mqtt.events import EVENT_PAYLOADS
from edged.mqtt.facts import CameraCondition, CameraFacts, LiveFacts, ModelFacts
from edged.mqtt.health import HealthPayload
from edged.mqtt.mcu import McuPayload
from edged.mqtt.schema import schemas
from edged.mqtt.updates import UpdatesPayload
from edged.mqtt.wire import Hertz, Milliseconds, PixelBox, Pixels, Score, Seconds, Time, encode, rfc3339


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
    **EVENT_PAYLOADS,
    "camera": CameraPayload,
    "model": ModelPayload,
    "mcu": McuPayload,
    **COMMAND_PAYLOADS,
    "answer": AnswerPayload,
    "live": LivePayload,
    "health": HealthPayload,
    "updates": UpdatesPayload,
}
"""Every payload by the topic level (or kind of event) that carries it."""


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


def json_schema() -> dict[str, dict[str, Any]]:
    """The JSON Schema (2020-12) of every payload, by the keys of ``PAYLOADS``; each stands alone."""
    found = {}
    for name, struct in PAYLOADS.items():
        (schema,), components = schemas([struct], "#/$defs/{name}")
        found[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": components}
    return found


def _box(box: Box) -> Box:
    x0, y0, x1, y1 = box
    return round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1)


def _score(score: float) -> float:
    return round(score, 4)


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
