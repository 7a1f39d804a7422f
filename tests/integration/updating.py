"""A daemon whose model is updated over a real broker by a publisher with real keys; pictures that are white and green by turns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paho.mqtt.publish as publish
from support import Subscriber

from edged.config.pushed import DOCUMENT
from edged.ota.package import pack, pack_directory
from edged.ota.target import Kind
from edged.ota.topics import UpdateTopics
from edged.ota.upload import Blob
from edged.testing.candidates import sound, write_candidate
from edged.testing.repository import Repository

TOPICS = UpdateTopics("edged/v1", "home")
WHITE, GREEN = (255, 255, 255), (0, 255, 0)
PICTURES = (WHITE,) * 5 + (GREEN,) * 15 + (WHITE,) * 15
"""Ten a second. What a hidden fault shows at is there often, and what is seen changes, for longer than the tracker waits."""

WINDOW_S = 5
ID = "colours"


class Publisher:
    """Signs what it is told to, and pushes it to the broker at ``port``."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self.repository = Repository("home", "stable")
        self.root = directory / "root.json"
        self.root.write_bytes(self.repository.roots[0])
        self.sequence = 0

    def push(self, model: bytes, **fields: Any) -> int:
        """The next sequence of the thing; returns it."""
        bundle = write_candidate(self._directory / f"candidate-{self.sequence + 1}", model, f"{self.sequence + 1}.0")
        return self._push(pack_directory(bundle), "model", **fields)

    def push_config(self, text: str) -> int:
        """The same of settings."""
        return self._push(pack({DOCUMENT: text.encode()}), "config")

    def _push(self, packed: bytes, kind: Kind, **fields: Any) -> int:
        self.sequence += 1
        blob = Blob(packed)
        self.repository.add(blob.data, kind=kind, id=ID, sequence=self.sequence, **fields)
        self.publish(blob)
        return self.sequence

    def publish(self, blob: Blob, instead: dict[str, bytes] | None = None) -> None:
        """Sign what there is, and push it with the chunks of ``blob``; ``instead`` replaces some of these messages."""
        messages = {TOPICS.index(blob.sha256): blob.index}
        messages |= {TOPICS.chunk(blob.sha256, number): chunk for number, chunk in enumerate(blob.chunks)}
        self.say(messages | {TOPICS.metadata("stable"): self.repository.publish()} | (instead or {}))

    def say(self, messages: dict[str, bytes]) -> None:
        """Publish anything, retained, as anyone may."""
        publish.multiple(
            [{"topic": topic, "payload": payload, "qos": 1, "retain": True} for topic, payload in messages.items()], port=self._port
        )


def write_config(
    directory: Path, port: int, ota: str, colours: Sequence[tuple[int, int, int]] = PICTURES, window_s: float = WINDOW_S
) -> Path:
    """A model that follows, and a camera that uses it, which sees ``colours``; ``window_s`` is what the test has time in."""
    bundle, pictures = write_candidate(directory / "factory", sound()), directory / "pictures"
    pictures.mkdir()
    for number, colour in enumerate(colours):
        cv2.imwrite(str(pictures / f"{number:02}.png"), np.full((64, 64, 3), colour, np.uint8))
    config = directory / "edged.toml"
    config.write_text(f"""
        [device]
        name = "pi"
        state_directory = "{directory / "state"}"
        [models.colours]
        bundle = "{bundle}"
        follow = "{ID}"
        [tracking]
        appear_after_s = 0
        leave_after_s = 1
        [cameras.door]
        model = "colours"
        file = {{ path = "{pictures}", pace = "realtime", loop = true, pictures_per_s = 10 }}
        [mqtt]
        host = "127.0.0.1"
        port = {port}
        [ota]
        health_window_s = {window_s}
        {ota}
    """)
    return config


class Watcher:
    """What a subscriber hears of updates and of everything else."""

    def __init__(self, subscriber: Subscriber, kind: str = "model") -> None:
        self._subscriber = subscriber
        self._kind = kind

    def status(self) -> dict[str, Any]:
        """The newest retained state of the thing."""
        return next(self._told(), {})

    def _told(self, since: int = 0) -> Iterator[dict[str, Any]]:
        """The retained states, the newest first, without those among the first ``since`` messages."""
        for topic, payload in reversed(self._subscriber.messages[since:]):
            if topic.endswith("/ota/status") and payload:
                yield next((it for it in json.loads(payload)["updates"] if it["target_kind"] == self._kind), {})

    def wait_for(self, state: str, code: str = "ok", sequence: int | None = None) -> dict[str, Any]:
        """Until the thing stands so, and how that was told; it may stand otherwise again by the time that we look."""
        since = len(self._subscriber.messages)

        def found() -> dict[str, Any]:
            for it in (self.status(), *self._told(since)):
                if (it.get("state"), it.get("code")) == (state, code) and sequence in {None, it["sequence"]}:
                    return it
            return {}

        try:
            self._subscriber.wait_until(lambda: found() != {}, f"never {state} {code} {sequence}")
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.status()}; {self.states()}") from None
        return found()

    def states(self) -> list[str]:
        """The events of updates, in order."""
        events = [event for event in self._subscriber.events("update") if event["target_kind"] == self._kind]
        return [f"{event['sequence']} {event['state']} {event['code']}" for event in events]

    def flows(self) -> None:
        """Wait until things are seen that were not seen before."""
        seen = len(self._subscriber.events("object_appeared"))
        self._subscriber.wait_until(lambda: len(self._subscriber.events("object_appeared")) > seen + 2, "nothing is seen any more")

    def model(self) -> str:
        """The version that serves, as the model's retained state says."""
        for topic, payload in reversed(self._subscriber.messages):
            if "/model/" in topic and "/event/" not in topic and payload:
                return str(json.loads(payload)["version"])
        return ""
