"""The topic tree as a table: what is said where, how, and by which payload. Documentation and contract are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from edged.core.event import KINDS
from edged.mqtt.commands import COMMAND_PAYLOADS

PREFIX = "edged/v1"
"""What topics begin with unless the configuration says otherwise."""

LEVELS = {
    "fleet": "The group of devices.",
    "device": "The device, by the name in its configuration.",
    "kind": "The kind of the event.",
    "subject": "The camera, or the model for model_changed, or what is followed for update, or the microcontroller.",
    "camera": "The camera, by its name in the configuration.",
    "model": "The model, by its name in the configuration.",
    "mcu": "The microcontroller, by its name in the configuration.",
}
"""The variable levels of addresses. Each is a name that a configuration gives, or a kind of event."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Topics of one form: ``address`` follows the device's base. ``payloads`` are keys of ``PAYLOADS``; none is plain text."""

    name: str
    address: str
    payloads: tuple[str, ...]
    qos: int
    retained: bool
    text: str
    heard: bool = False
    """The device listens there, and others speak."""


CHANNELS = (
    Channel(
        "availability", "availability", (), 1, True, "`online` or `offline`, plain: as other software expects it; also the will"
    ),
    Channel("event", "event/{kind}/{subject}", tuple(KINDS), 1, False, "an event; its `id` lets a consumer drop repeats"),
    Channel("camera", "camera/{camera}", ("camera",), 1, True, "the state of a camera"),
    Channel("model", "model/{model}", ("model",), 1, True, "the model that serves, what runs it, and why not an accelerator"),
    Channel("health", "health", ("health",), 1, True, "how the device is, what is wrong and what to do; counters"),
    Channel("updates", "ota/status", ("updates",), 1, True, "how far updates of what the device follows are"),
    Channel("mcu", "mcu/{mcu}", ("mcu",), 1, True, "what a microcontroller is, runs and suffers"),
    Channel(
        "command",
        "mcu/{mcu}/command",
        tuple(COMMAND_PAYLOADS),
        1,
        False,
        "what it is to do, if `commands` is set; a retained one is refused",
        heard=True,
    ),
    Channel(
        "answer",
        "mcu/{mcu}/answer",
        ("answer",),
        1,
        False,
        "what became of a command; below it, if its response topic says so",
    ),
    Channel("live", "live/{camera}", ("live",), 0, False, "what a camera sees in a frame, if `live` is set, at most `live_max_hz`"),
)
