"""The whole configuration, composed of what each package says about itself, and its JSON Schema.

Only the composition root uses ``Settings``; every part is handed its own record.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter

from edged.core.settings import settings
from edged.infer.settings import ModelSettings
from edged.mcu.settings import McuSettings
from edged.mqtt.settings import MqttSettings
from edged.ota.settings import OtaSettings
from edged.sources.settings import SourceSettings
from edged.store.settings import StoreSettings
from edged.tracking.settings import TrackerSettings
from edged.vision.settings import CameraSettings
from edged.web.settings import MetricsSettings

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
"""What is a name here can be a level of an MQTT topic, a file name and a word on a command line."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


def default_device_name() -> str:
    """The host name, made a name as ``NAME_PATTERN`` wants it."""
    host = socket.gethostname().split(".", 1)[0].lower()
    return re.sub(r"[^a-z0-9_-]+", "-", host).strip("-_")[:32] or "edged"


SERVICE_STATE = Path("/var/lib/edged")
"""What systemd's ``StateDirectory=edged`` is; the shell of a person does not have the variable that tells."""


def default_state_directory() -> Path:
    """systemd's ``StateDirectory=`` if it gave one, else the user's own by the XDG Base Directory Specification."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":", 1)[0])
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state, "edged")
    try:
        return Path.home() / ".local/state/edged"
    except RuntimeError:  # a user id without an entry in passwd, as in some containers
        return Path("/var/lib/edged")


@settings
class DeviceSettings:
    """Who this device is, and where it keeps what must survive a reboot."""

    name: Name = field(default_factory=default_device_name)
    """Names the device in topics and event ids; unset takes the host name. Not to be changed later: it is part of every id."""

    fleet: Name = "home"
    """The group of devices it belongs to, a level of every topic."""

    state_directory: Path = field(default_factory=default_state_directory)
    """Holds the event store; unset is systemd's $STATE_DIRECTORY, else $XDG_STATE_HOME/edged."""


@settings
class SinkSettings:
    """Where committed events go besides the broker."""

    console: bool = False
    """Print every event on stdout."""

    jsonl: Path | None = None
    """Append every event, one JSON object a line, to this file."""


@settings
class Settings:
    """The configuration of edged."""

    device: DeviceSettings = field(default_factory=DeviceSettings)
    """Who this device is."""

    models: dict[Name, ModelSettings] = field(default_factory=dict)
    """The models, by the names that cameras use."""

    cameras: dict[Name, CameraSettings] = field(default_factory=dict)
    """The cameras, by the names that topics and events carry."""

    mcus: dict[Name, McuSettings] = field(default_factory=dict)
    """The microcontrollers, by the names that topics and events carry."""

    tracking: TrackerSettings = TrackerSettings()
    """How detections become tracks."""

    store: StoreSettings = StoreSettings()
    """How much the event store keeps."""

    mqtt: MqttSettings | None = None
    """The broker; without it events stay in the store and the sinks."""

    ota: OtaSettings | None = None
    """Updates of models; without it what ``bundle`` says serves for ever."""

    metrics: MetricsSettings = MetricsSettings()
    """Where Prometheus can ask how the daemon is."""

    sinks: SinkSettings = SinkSettings()
    """Where events go besides the broker."""


def config_path(settings: Settings) -> str | None:
    """What is followed to be laid over the file, as ``<kind>/<id>``."""
    return f"config/{settings.ota.follow_config}" if settings.ota and settings.ota.follow_config else None


@cache
def validator() -> TypeAdapter[Settings]:
    """Built once, and only by those who validate: it takes a while on a Pi."""
    return TypeAdapter(Settings)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a configuration file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **validator().json_schema()}
    # pydantic reads the docstrings of a class's own fields only, and a camera inherits those of its source.
    inherited = TypeAdapter(SourceSettings).json_schema()["properties"]
    camera = schema["$defs"]["CameraSettings"]["properties"]
    for name, described in inherited.items():
        camera[name]["description"] = described["description"]
    # It also states which names of cameras and models are good, but not that no others are.
    for named in (described for described in schema["properties"].values() if "patternProperties" in described):
        named["additionalProperties"] = False
    return schema
