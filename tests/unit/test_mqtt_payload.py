from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edged.core.clock import ClockReading
from edged.core.event import (
    KINDS,
    Event,
    EventId,
    InferenceMade,
    McuBack,
    McuLost,
    ModelChanged,
    ObjectAppeared,
    ObjectLeft,
    Occurrence,
    SourceBack,
    SourceLost,
    UpdateChanged,
)
from edged.mqtt.events import decode_event, encode_event
from edged.mqtt.payload import PAYLOADS, encode_camera, encode_live, encode_model, json_schema
from edged.mqtt.updates import encode_updates
from edged.ota.status import UpdateStatus

SCHEMA = json_schema()
NOW = ClockReading(monotonic_ns=10 * 10**9, unix_ns=1_750_000_000 * 10**9, quality="synchronised")
BOX = (10.04, 20.06, 30.0, 60.123)


def event(occurrence: Occurrence, unix_ms: int = 1_750_000_000_123) -> Event:
    return Event(EventId("pi", "0123abcd", 7), unix_ms, "synchronised", occurrence)


EXAMPLES: list[Occurrence] = [
    ObjectAppeared("door", "a-1", "person", 0.87654, BOX, 1, 1.23456, "sha"),
    ObjectLeft("door", "a-1", "person", "left", 2.34567, 0.9, BOX, BOX, ((1.26, 2.0), (3.0, 4.0)), 1, None, "sha"),
    SourceLost("door", "no frames", 1),
    SourceBack("door", 1.5, 1),
    ModelChanged("detector", "2", "new", "old", "xnnpack", 1),
    InferenceMade("porch", 7, "sensor", "person", 1, 0.87654, (0.123456789, 0.87654), 2, "ab" * 8, "1.2", 48_321, 9_000, 1),
    McuLost("porch", "there is no port", 1),
    McuBack("porch", 1.5, 1),
    UpdateChanged("model", "ssd", 4, "2.1", "sha", "reverted", "slow", "30 ms a frame", 1),
]


@pytest.mark.parametrize("occurrence", EXAMPLES, ids=lambda occurrence: type(occurrence).__name__)
def test_every_event_is_one_line_that_fits_its_schema(occurrence: Occurrence) -> None:
    payload = encode_event(event(occurrence))
    assert b"\n" not in payload
    found = json.loads(payload)
    jsonschema.validate(found, SCHEMA[found["kind"]])
    assert {"v", "id", "device", "epoch", "seq", "time", "clock", "kind"} <= found.keys()
    assert (found["v"], found["id"], found["kind"]) == (1, "pi/0123abcd/7", event(occurrence).kind)
    assert decode_event(payload).seq == 7


def test_what_is_said_of_an_object_that_left() -> None:
    found = json.loads(encode_event(event(EXAMPLES[1])))
    assert found == {
        "kind": "object_left",
        "id": "pi/0123abcd/7",
        "device": "pi",
        "epoch": "0123abcd",
        "seq": 7,
        "time": "2025-06-15T15:06:40.123Z",
        "clock": "synchronised",
        "v": 1,
        "camera": "door",
        "object_id": "a-1",
        "label": "person",
        "reason": "left",
        "dwell_s": 2.346,
        "best_score": 0.9,
        "best_box": [10.0, 20.1, 30.0, 60.1],
        "box": [10.0, 20.1, 30.0, 60.1],
        "path": [[1.3, 2.0], [3.0, 4.0]],
        "media_s": None,
        "model": "sha",
    }


def test_every_kind_has_a_payload_and_a_valid_schema() -> None:
    assert KINDS.keys() < PAYLOADS.keys() == SCHEMA.keys()
    for schema in SCHEMA.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("field", ["box", "seq", "clock", "v", "kind"])
def test_the_schema_refuses_what_is_wrong(field: str) -> None:
    found: dict[str, Any] = json.loads(encode_event(event(EXAMPLES[0])))
    found[field] = "wrong"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, SCHEMA["object_appeared"])


@given(st.integers(-(2**70), 2**70))
def test_any_time_can_be_written(unix_ms: int) -> None:
    time = json.loads(encode_event(event(EXAMPLES[2], unix_ms)))["time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    if 0 <= unix_ms < 250_000_000_000_000:
        assert round(datetime.fromisoformat(time).timestamp() * 1000) == unix_ms


@dataclass(frozen=True, slots=True)
class Camera:
    camera: str = "door"
    state: Any = "online"
    since_ns: int = 9 * 10**9
    width: int = 640
    height: int = 480
    fps: float | None = 29.97002997
    description: str = "USB"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    model_name: str = "detector"
    bundle: str = "ssd"
    version: str = "1"
    digest: str = "abc"
    runtime: str = "litert"
    delegate: str = "xnnpack"
    fallback: str = ""
    threads: int = 2
    self_test_ms: float = 12.345
    at_ns: int = 9 * 10**9


@dataclass(frozen=True, slots=True)
class Seen:
    object_id: str = "a-1"
    label: str = "person"
    score: float = 0.5
    box: tuple[float, float, float, float] = BOX


@dataclass(frozen=True, slots=True)
class Live:
    camera: str = "door"
    seq: int = 5
    captured_ns: int = 9 * 10**9
    media_s: float | None = None
    inference_ms: float = 33.333
    objects: tuple[Seen, ...] = (Seen(),)


def test_states_and_live_tracks_fit_their_schema() -> None:
    camera, model, live = (
        json.loads(text) for text in (encode_camera(Camera(), NOW), encode_model(Model(), NOW), encode_live(Live(), NOW))
    )
    jsonschema.validate(camera, SCHEMA["camera"])
    jsonschema.validate(model, SCHEMA["model"])
    jsonschema.validate(live, SCHEMA["live"])
    assert camera["since"] == model["since"] == live["time"] == "2025-06-15T15:06:39.000Z"
    assert camera["fps"] == 29.97
    assert live["objects"][0]["box"] == [10.0, 20.1, 30.0, 60.1]


def test_how_far_updates_are_stands_in_one_document() -> None:
    def status(id: str, state: str, **more: object) -> UpdateStatus:
        values = {"kind": "model", "sequence": 4, "version": "2.1", "sha256": "f" * 64, "code": "ok", "detail": ""}
        return UpdateStatus(**values | {"id": id, "state": state, "chunks": 3, "chunks_total": 9, "at_ns": 9 * 10**9} | more)

    payload = encode_updates([status("ssd", "downloading"), status("faces", "reverted", code="slow")], NOW)
    said = json.loads(payload)
    Draft202012Validator(SCHEMA["updates"]).validate(said)
    assert [it["target_id"] for it in said["updates"]] == ["faces", "ssd"]
    assert said["updates"][1]["since"] == "2025-06-15T15:06:39.000Z"
    assert b"\n" not in payload
