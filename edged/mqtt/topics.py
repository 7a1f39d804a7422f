"""The topics of one device.

``<prefix>/<fleet>/<device>/`` and then

- ``availability``            retained; ``online`` or ``offline`` as plain text, which is what consumers of availability expect
- ``event/<kind>/<subject>``  QoS 1; the subject is the camera, or the model, followed id or microcontroller that it is about
- ``camera/<camera>``         retained state
- ``model/<model>``           retained state
- ``mcu/<mcu>``               retained state
- ``mcu/<mcu>/command``       what a microcontroller is to do, if it takes commands; never retained
- ``mcu/<mcu>/answer``        what became of it, or below that where the request says so
- ``health``                retained; how the device is, and its counters
- ``ota/status``            retained; how far updates of what it follows are
- ``live/<camera>``           QoS 0
"""

from __future__ import annotations

from edged.core.errors import ConfigInvalid
from edged.core.event import Event, InferenceMade, McuBack, McuLost, ModelChanged, UpdateChanged

ONLINE = b"online"
OFFLINE = b"offline"

MAX_LEVEL_BYTES = 255
FORBIDDEN = "+#/"

MAX_REPLY_BYTES, MAX_REPLY_LEVELS = 256, 8
"""Of what a request may put behind ``mcu/<mcu>/answer``. mosquitto hangs up on a publisher at a topic of more than 200 levels."""


def level_problem(name: str) -> str | None:
    """What is wrong with a name that is to be one level of a topic (MQTT 5.0, section 4.7), or ``None``."""
    if not name:
        return "it is empty"
    if not name.isprintable():
        return "it holds characters that do not print"
    if found := [character for character in FORBIDDEN if character in name]:
        return f"it holds {' and '.join(found)}, which mean something in MQTT topics"
    if len(name.encode(errors="replace")) > MAX_LEVEL_BYTES:
        return f"it is longer than {MAX_LEVEL_BYTES} bytes"
    return None


class Topics:
    """Topics by name; raises ConfigInvalid if prefix, fleet or device cannot be part of one.

    Cameras and models are called what the configuration calls them, which is always fit to be a level.
    """

    def __init__(self, prefix: str, fleet: str, device: str) -> None:
        levels = [("topic_prefix", level) for level in prefix.split("/")] + [("fleet", fleet), ("device", device)]
        problems = tuple(f"{what} {name!r}: {problem}" for what, name in levels if (problem := level_problem(name)))
        if prefix.startswith("$"):
            problems += (f"topic_prefix {prefix!r}: topics that begin with $ belong to the broker",)
        if problems:
            raise ConfigInvalid("no MQTT topics can be made", problems)
        self.base = f"{prefix}/{fleet}/{device}"
        self.availability = f"{self.base}/availability"
        self.health = f"{self.base}/health"
        self.updates = f"{self.base}/ota/status"

    def event(self, event: Event) -> str:
        """Where an event goes."""
        match event.occurrence:
            case ModelChanged(model_name=subject) | UpdateChanged(target_id=subject):
                pass
            case InferenceMade(mcu=subject) | McuLost(mcu=subject) | McuBack(mcu=subject):
                pass
            case occurrence:
                subject = occurrence.camera
        return f"{self.base}/event/{event.kind}/{subject}"

    def camera(self, camera: str) -> str:
        """Where a camera's state is."""
        return f"{self.base}/camera/{camera}"

    def model(self, model: str) -> str:
        """Where a model's state is."""
        return f"{self.base}/model/{model}"

    def mcu(self, mcu: str) -> str:
        """Where a microcontroller's state is."""
        return f"{self.base}/mcu/{mcu}"

    def command(self, mcu: str) -> str:
        """Where it is told what to do."""
        return f"{self.base}/mcu/{mcu}/command"

    def answer(self, mcu: str) -> str:
        """Where it is said what became of that, unless the request names a topic below."""
        return f"{self.base}/mcu/{mcu}/answer"

    def may_answer(self, mcu: str, topic: str) -> bool:
        """Whether a request may name this topic for its answer: who may tell ``mcu`` something shall not have this device speak
        anywhere else, nor name what a broker hangs up on."""
        own = self.answer(mcu)
        if topic == own:
            return True
        below = topic.removeprefix(f"{own}/")
        levels = below.split("/")
        fits = len(below.encode(errors="replace")) <= MAX_REPLY_BYTES and len(levels) <= MAX_REPLY_LEVELS
        return topic.startswith(f"{own}/") and fits and not any(map(level_problem, levels))

    def live(self, camera: str) -> str:
        """Where the live tracks of a camera go."""
        return f"{self.base}/live/{camera}"
