"""The contract as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""

from __future__ import annotations

import re
from typing import Any

from edged.mqtt.channels import CHANNELS, LEVELS, PREFIX, Channel
from edged.mqtt.payload import PAYLOADS
from edged.mqtt.schema import schemas
from edged.mqtt.topics import OFFLINE, ONLINE

DESCRIPTION = """What an edged device says over MQTT, and what it listens to.

Fields and kinds of events are added without notice: ignore what you do not know. Whatever else changes raises the v of its payload.
Events come at least once: drop repeats by id. Units stand at the fields as x-unit. The prefix edged/v1 can be configured."""


def asyncapi() -> dict[str, Any]:
    """The document."""
    found, components = schemas(list(PAYLOADS.values()), "#/components/schemas/{name}")
    messages: dict[str, Any] = {
        name: {"name": name, "contentType": "application/json", "payload": schema}
        for name, schema in zip(PAYLOADS, found, strict=True)
    }
    plain = {"type": "string", "enum": [ONLINE.decode(), OFFLINE.decode()]}
    messages["availability"] = {"name": "availability", "contentType": "text/plain", "payload": plain}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "edged", "version": "1", "description": DESCRIPTION, "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {operation_name(channel): _operation(channel) for channel in CHANNELS},
        "components": {"messages": messages, "schemas": components},
    }


def operation_name(channel: Channel) -> str:
    """What the device does there."""
    return f"{_action(channel)}_{channel.name}"


def _action(channel: Channel) -> str:
    return "receive" if channel.heard else "send"


def _payloads(channel: Channel) -> tuple[str, ...]:
    return channel.payloads or (channel.name,)


def _channel(channel: Channel) -> dict[str, Any]:
    address = f"{PREFIX}/{{fleet}}/{{device}}/{channel.address}"
    parameters: dict[str, Any] = {level: {"description": LEVELS[level]} for level in re.findall(r"{(\w+)}", address)}
    if "kind" in parameters:
        parameters["kind"]["enum"] = list(channel.payloads)
    return {
        "address": address,
        "description": channel.text,
        "parameters": parameters,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _payloads(channel)},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": _action(channel),
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{name}"} for name in _payloads(channel)],
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retained, "bindingVersion": "0.2.0"}},
    }
