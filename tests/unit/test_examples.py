"""The examples for other programs name topics and fields that are there. Node-RED itself runs its flow in scripts/flows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from observed import at, camera

from edged.core.event import Event, EventId, ObjectAppeared, ObjectLeft
from edged.daemon.cameras import CameraState
from edged.daemon.condition import Condition
from edged.daemon.report import report
from edged.mqtt.asyncapi import asyncapi
from edged.mqtt.channels import CHANNELS
from edged.mqtt.events import encode_event
from edged.mqtt.payload import encode_camera
from edged.mqtt.wire import encode
from edged.tooling.contract import describe

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy/examples"
CONTRACT = describe(asyncapi())
BOX = (1.0, 2.0, 3.0, 4.0)
LOST = at(11, cameras=(camera(), camera("yard", "lost")))


def said(topic: str, person: str = "person") -> Any:
    """What is said there, as a consumer gets it."""
    condition = Condition()
    condition.note(LOST)
    identity = EventId("porch", "e", 1)
    payloads = {
        "object_appeared": lambda: encode_event(
            Event(identity, 0, "synchronised", ObjectAppeared("door", "a", person, 0.9, BOX, 0, None, "m"))
        ),
        "object_left": lambda: encode_event(
            Event(identity, 0, "synchronised", ObjectLeft("door", "a", person, "left", 4.26, 0.9, BOX, BOX, (), 0, None, "m"))
        ),
        "camera": lambda: encode_camera(CameraState("door", "online", 0), LOST.clock),
        "health": lambda: encode(report(LOST, None, condition)),
        "availability": lambda: b"online",
    }
    return payloads[payload_of(topic)]().decode()


def payload_of(topic: str) -> str:
    """The payload that comes on a topic, which has to be one of the contract."""
    levels = topic.split("/")
    assert levels[:2] == ["edged", "v1"]
    for channel in CHANNELS:
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", channel.address), "/".join(levels[4:])):
            name = levels[5] if channel.name == "event" else channel.name
            assert name in (channel.payloads or (channel.name,))
            return name
    raise AssertionError(f"no channel has {topic}")


def entities() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, found in yaml.safe_load((EXAMPLES / "home-assistant.yaml").read_text())["mqtt"].items():
        for entity in found:
            yield kind, entity


def templates() -> Iterator[tuple[str, str]]:
    """Topic and template of everything that Home Assistant reads by one."""
    for _, entity in entities():
        yield entity["state_topic"], entity["value_template"]
        if "json_attributes_topic" in entity:
            yield entity["json_attributes_topic"], entity["json_attributes_template"]
        for availability in entity.get("availability", []):
            if "value_template" in availability:
                yield availability["topic"], availability["value_template"]


def rendered(topic: str, template: str, **changes: str) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    return environment.from_string(template).render(value_json=json.loads(said(topic, **changes)))


@pytest.mark.parametrize(("topic", "template"), list(templates()))
def test_template_finds_its_fields(topic: str, template: str) -> None:
    for path in re.findall(r"value_json\.([\w.]+)", template):
        assert f"{payload_of(topic)}.{path}" in CONTRACT
    assert rendered(topic, template)


def test_home_assistant_shows_what_is_said() -> None:
    values = {entity["unique_id"]: rendered(entity["state_topic"], entity["value_template"]) for _, entity in entities()}
    assert values == {
        "edged_porch_door_camera": "ON",
        "edged_porch_door_person": "ON",
        "edged_porch_problem": "ON",
        "edged_porch_door_stay": "4.3",
        "edged_porch_door_delay": "95.5",
        "edged_porch_queued": "2",
    }
    person = next(entity for _, entity in entities() if entity["unique_id"] == "edged_porch_door_person")
    assert rendered(person["state_topic"], person["value_template"], person="cat") == ""


def test_availability_is_what_edged_says() -> None:
    for _, entity in entities():
        for topic in [entity.get("availability_topic"), *(it["topic"] for it in entity.get("availability", []))]:
            if topic and payload_of(topic) == "availability":
                assert entity.get("payload_available", "online") == said(topic)


def test_node_red_flow_is_wired_and_listens_where_something_is_said() -> None:
    flow = json.loads((EXAMPLES / "node-red.json").read_text())
    nodes = {node["id"]: node for node in flow}
    assert len(nodes) == len(flow)
    reached = {target for node in flow for wires in node.get("wires", []) for target in wires}
    assert reached <= nodes.keys()
    inputs = [node for node in flow if node["type"] == "mqtt in"]
    assert inputs
    for node in flow:
        if "z" in node:
            assert nodes[node["z"]]["type"] == "tab"
            assert node in inputs or node["id"] in reached, f"{node['id']} hears nothing"
    for node in inputs:
        assert nodes[node["broker"]]["type"] == "mqtt-broker"
        payload = payload_of(node["topic"].replace("+", "x"))
        fields = set().union(*(_fields_used(nodes, target) for wires in node["wires"] for target in wires))
        assert fields
        for field in fields:
            assert f"{payload}.{field}" in CONTRACT


def _fields_used(nodes: dict[str, Any], start: str) -> set[str]:
    """Of the payload, by the functions behind an input, until one makes another payload."""
    node = nodes[start]
    code = node.get("func", "") + node.get("property", "")
    found = set(re.findall(r"(?:payload|event)\.(\w+)", code))
    if "msg.payload = " not in code:
        for wires in node["wires"]:
            for target in wires:
                found |= _fields_used(nodes, target)
    return found
