"""The Node-RED example in a real Node-RED, headless."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from edged.core.event import Event, EventId, ObjectAppeared
from edged.mqtt.events import encode_event
from edged.testing.broker import Mosquitto

FLOW = Path(__file__).resolve().parents[2] / "deploy/examples/node-red.json"
PATIENCE_S = 120


class NodeRed:
    """A running Node-RED; what its debug nodes print is kept."""

    def __init__(self, directory: Path, broker_port: int) -> None:
        flow = json.loads(FLOW.read_text())
        for node in flow:
            if node["type"] == "mqtt-broker":
                node["broker"], node["port"] = "127.0.0.1", str(broker_port)
        (directory / "flow.json").write_text(json.dumps(flow))
        (directory / "settings.js").write_text(
            'module.exports = { flowFile: "flow.json", uiHost: "127.0.0.1", telemetry: {enabled: false} };'
        )
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        command = [os.environ["EDGED_NODE_RED"], "--port", str(port), "--userDir", str(directory)]
        command += ["--settings", str(directory / "settings.js")]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: any(text in line for line in self.lines), PATIENCE_S)
        assert found, f"no {text!r} in:\n" + "\n".join(self.lines[-20:])

    def stop(self) -> None:
        self._process.terminate()
        with self._process:
            self._reader.join()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    directory = tmp_path / "broker"
    directory.mkdir()
    with Mosquitto(directory) as broker:
        yield broker


@pytest.fixture
def node_red(tmp_path: Path, broker: Mosquitto) -> Iterator[NodeRed]:
    directory = tmp_path / "node-red"
    directory.mkdir()
    node_red = NodeRed(directory, broker.port)
    yield node_red
    node_red.stop()


def appeared(seq: int, label: str) -> bytes:
    occurrence = ObjectAppeared("door", f"a-{seq}", label, 0.876, (1, 2, 3, 4), 0, None, "ab")
    return encode_event(Event(EventId("pi", "e", seq), 1_750_000_000_000, "synchronised", occurrence))


def health(status: str, *problems: dict[str, Any]) -> bytes:
    return json.dumps({"status": status, "problems": problems, "v": 1}).encode()


def test_flow_says_each_person_once_and_health_when_it_changes(broker: Mosquitto, node_red: NodeRed) -> None:
    node_red.wait_for("Connected to broker")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    base = "edged/v1/home/pi"
    lost = {"code": "camera_lost", "subject": "gate", "meaning": "It is gone.", "fix": "Look at its cable."}
    for topic, payload in [
        *(
            (f"{base}/event/object_appeared/door", appeared(seq, label))
            for seq, label in [(1, "person"), (1, "person"), (2, "cat")]
        ),
        *((f"{base}/health", health(*state)) for state in [("ok",), ("ok",), ("degraded", lost)]),
        (f"{base}/event/object_appeared/door", appeared(3, "person")),
        (f"{base}/health", health("failing")),
    ]:
        client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)
    node_red.wait_for("home/pi is failing")
    client.loop_stop()
    printed = [line for line in node_red.lines if re.search("person|cat at|home/pi is", line)]
    assert sum("person at door, 88 %" in line for line in printed) == 2
    assert not any("cat" in line for line in printed)
    assert sum("home/pi is ok." in line for line in printed) == 1
    assert sum("home/pi is degraded. gate It is gone. Look at its cable." in line for line in printed) == 1
