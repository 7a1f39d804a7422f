"""What consumers rely on stays as it is: every kind of change that breaks them is found, and the code keeps what was promised."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edged.core.event import KINDS, Event, EventId
from edged.mqtt.asyncapi import asyncapi
from edged.mqtt.channels import CHANNELS, PREFIX
from edged.mqtt.payload import PAYLOADS
from edged.mqtt.topics import Topics
from edged.tooling.contract import compare, describe

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = json.loads((ROOT / "tests/contract.json").read_text())
RENEW = "run scripts/contract"


def test_promises_are_kept() -> None:
    breaks = compare(COMMITTED, describe(asyncapi()))
    assert not breaks, "raise v of the payload, or keep the field as it was:\n" + "\n".join(breaks)


def test_committed_documents_are_of_this_code() -> None:
    assert json.loads((ROOT / "edged/mqtt/asyncapi.json").read_text()) == asyncapi(), RENEW
    assert describe(asyncapi()) == COMMITTED, RENEW


def test_references_of_the_document_lead_somewhere() -> None:
    document = asyncapi()
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))
    assert len(references) > 20
    for reference in references:
        found: Any = document
        for key in reference.split("/"):
            found = found[key]
    for message in document["components"]["messages"].values():
        jsonschema.Draft7Validator.check_schema(message["payload"])
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def left(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas(document)["ObjectLeftPayload"]["properties"]
    return found


def gone(document: dict[str, Any]) -> None:
    del left(document)["dwell_s"]


def renamed(document: dict[str, Any]) -> None:
    left(document)["stay_s"] = left(document).pop("dwell_s")


def retyped(document: dict[str, Any]) -> None:
    left(document)["dwell_s"]["type"] = "string"


def made_nullable(document: dict[str, Any]) -> None:
    left(document)["dwell_s"] = {"anyOf": [left(document)["dwell_s"], {"type": "null"}]}


def other_unit(document: dict[str, Any]) -> None:
    left(document)["dwell_s"]["x-unit"] = "ms"


def unit_gone(document: dict[str, Any]) -> None:
    del left(document)["box"]["x-unit"]


def other_format(document: dict[str, Any]) -> None:
    del left(document)["time"]["format"]


def narrowed(document: dict[str, Any]) -> None:
    left(document)["reason"]["enum"].remove("interrupted")


def widened(document: dict[str, Any]) -> None:
    left(document)["reason"]["enum"].append("bored")


def longer_box(document: dict[str, Any]) -> None:
    left(document)["box"]["maxItems"] = 5


def other_items(document: dict[str, Any]) -> None:
    left(document)["path"]["items"]["items"] = {"type": "integer"}


def optional(document: dict[str, Any]) -> None:
    schemas(document)["ObjectLeftPayload"]["required"].remove("dwell_s")


def deep(document: dict[str, Any]) -> None:
    del schemas(document)["LiveObjectPayload"]["properties"]["score"]


def map_values(document: dict[str, Any]) -> None:
    schemas(document)["MachinePayload"]["properties"]["temperatures_c"]["additionalProperties"] = {"type": "string"}


def older_version(document: dict[str, Any]) -> None:
    left(document)["v"]["enum"] = [0]


def moved(document: dict[str, Any]) -> None:
    document["channels"]["camera"]["address"] += "/state"


def other_qos(document: dict[str, Any]) -> None:
    document["operations"]["send_event"]["bindings"]["mqtt"]["qos"] = 0


def not_retained(document: dict[str, Any]) -> None:
    document["operations"]["send_health"]["bindings"]["mqtt"]["retain"] = False


def kind_gone(document: dict[str, Any]) -> None:
    del document["channels"]["event"]["messages"]["source_back"]


BREAKS: dict[Callable[[dict[str, Any]], None], str] = {
    gone: "object_left.dwell_s is gone",
    renamed: "object_left.dwell_s is gone",
    retyped: "object_left.dwell_s: type",
    made_nullable: "object_left.dwell_s: type",
    other_unit: "object_left.dwell_s: x-unit",
    unit_gone: "object_left.box: x-unit",
    other_format: "object_left.time: format",
    narrowed: "object_left.reason: enum",
    widened: "object_left.reason: enum",
    longer_box: "object_left.box: maxItems",
    other_items: "object_left.path[][]: type",
    optional: "object_left.dwell_s is not always there",
    deep: "live.objects[].score is gone",
    map_values: "health.machine.temperatures_c.*: type",
    older_version: "object_left.v: enum",
    moved: "topic edged/v1/{fleet}/{device}/camera/{camera} is gone",
    other_qos: "event/{kind}/{subject}: qos",
    not_retained: "health: retain",
    kind_gone: "does not carry source_back",
}


@pytest.mark.parametrize("mutate", BREAKS, ids=lambda mutate: mutate.__name__)
def test_change_that_breaks_consumers_is_found(mutate: Callable[[dict[str, Any]], None]) -> None:
    document = copy.deepcopy(asyncapi())
    mutate(document)
    assert BREAKS[mutate] in "\n".join(compare(describe(asyncapi()), describe(document)))


def test_what_is_added_breaks_nobody() -> None:
    document = copy.deepcopy(asyncapi())
    left(document)["colour"] = {"type": "string"}
    document["channels"]["event"]["messages"]["line_crossed"] = {}
    document["components"]["messages"]["line_crossed"] = {"payload": {"type": "object", "properties": {"v": {"enum": [1]}}}}
    assert compare(describe(asyncapi()), describe(document)) == ()


def test_greater_v_frees_its_payload_and_no_other() -> None:
    document = copy.deepcopy(asyncapi())
    left(document)["v"]["enum"] = [2]
    gone(document)
    assert compare(describe(asyncapi()), describe(document)) == ()
    deep(document)
    assert len(compare(describe(asyncapi()), describe(document))) > 0


def test_every_payload_is_on_a_channel() -> None:
    assert {name for channel in CHANNELS for name in channel.payloads} == set(PAYLOADS)


def test_topics_are_those_of_the_table() -> None:
    topics = Topics(PREFIX, "home", "pi")
    door = next(iter(KINDS.values()))
    fields = dict.fromkeys(door.__dataclass_fields__) | {"camera": "door"}
    event = Event(EventId("pi", "e", 1), 0, "synchronised", door(**fields))  # type: ignore[arg-type]
    said = {
        "availability": topics.availability,
        "event": topics.event(event),
        "camera": topics.camera("door"),
        "model": topics.model("ssd"),
        "health": topics.health,
        "updates": topics.updates,
        "mcu": topics.mcu("porch"),
        "command": topics.command("porch"),
        "answer": topics.answer("porch"),
        "live": topics.live("door"),
    }
    assert said.keys() == {channel.name for channel in CHANNELS}
    for channel in CHANNELS:
        pattern = re.sub(r"{\w+}", "[^/]+", f"{topics.base}/{channel.address}")
        assert re.fullmatch(pattern, said[channel.name])


def test_design_shows_the_topic_tree() -> None:
    lines = [
        f"| `{address}` | {channel.qos} | {'yes' if channel.retained else 'no'} | {channel.text} |"
        for channel in CHANNELS
        for address in [channel.address.replace("{", "<").replace("}", ">")]
    ]
    text = (ROOT / "edged/mqtt/DESIGN.md").read_text()
    shown = re.findall(r"^\| `.*\| [01] \| .*\|$", text, re.MULTILINE)
    assert shown == lines, "edged/mqtt/DESIGN.md should show:\n" + "\n".join(lines)
