"""The example consumer has every event of a real daemon once, through an outage of the broker and repeats."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from support import PATIENCE_S, running, stored_ids, wait_until

from edged.testing.broker import Mosquitto

CONSUMER = Path(__file__).resolve().parents[2] / "deploy/examples/consumer.py"


class Consumer:
    """The example as a process; ids are kept in the order in which it printed them."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, str(CONSUMER), "--host", "127.0.0.1", "--port", str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.ids: list[str] = []
        self.log: list[str] = []
        self._threads = [threading.Thread(target=self._read_events), threading.Thread(target=self._read_log)]
        for thread in self._threads:
            thread.start()

    def _read_events(self) -> None:
        assert self._process.stdout
        self.ids.extend(json.loads(line)["id"] for line in self._process.stdout)

    def _read_log(self) -> None:
        assert self._process.stderr
        self.log.extend(self._process.stderr)

    def listens(self, times: int) -> bool:
        return sum("listening" in line for line in self.log) == times

    def stop(self) -> None:
        self._process.terminate()
        with self._process:
            for thread in self._threads:
                thread.join()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    directory = tmp_path / "broker"
    directory.mkdir()
    with Mosquitto(directory, persistence=True, options="max_queued_messages 0") as broker:
        yield broker


@pytest.fixture
def config(tmp_path: Path, test_data: Path, broker: Mosquitto) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cat, empty = cv2.imread(str(test_data / "media/cat.bmp")), np.zeros((341, 512, 3), np.uint8)
    for number, image in enumerate([cat] * 4 + [empty] * 4):
        cv2.imwrite(str(pictures / f"{number}.png"), image)
    path = tmp_path / "edged.toml"
    path.write_text(f"""
        [device]
        name = "pi"
        state_directory = "{tmp_path / "state"}"
        [models.ssd]
        bundle = "{test_data}/models/ssd_mobilenet_v1_coco_quant.tflite"
        [cameras.door]
        model = "ssd"
        file = {{ path = "{pictures}", pace = "fast", loop = true }}
        [tracking]
        appear_after_s = 0
        [mqtt]
        host = "127.0.0.1"
        port = {broker.port}
    """)
    return path


def test_every_event_once(config: Path, broker: Mosquitto) -> None:
    consumer = Consumer(broker.port)
    try:
        wait_until(lambda: consumer.listens(1), "the subscription")
        with running(config) as daemon:
            daemon.wait_for("ready")
            wait_until(lambda: len(consumer.ids) > 10, "events")
            broker.stop()
            daemon.wait_for("broker: ")
            broker.start()
            wait_until(lambda: consumer.listens(2), "it is back")
            seen = len(consumer.ids)
            wait_until(lambda: len(consumer.ids) > seen + 10, "events again")
            assert daemon.stop() == 0
        stored = stored_ids(config.parent / "state")
        wait_until(lambda: set(consumer.ids) >= stored, "every event")
        repeat(broker.port, consumer.ids[0], "last/1/1")
        wait_until(lambda: consumer.ids[-1] == "last/1/1", "what follows the repeat")
        assert len(consumer.ids) == len(set(consumer.ids)) == len(stored) + 1
    finally:
        consumer.stop()


def repeat(port: int, *ids: str) -> None:
    """Publish these ids, and what is no event, before the last of them."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    noise = [b"", b"\xff", b"[]", b"{}", b'{"v": 1, "id": []}', b'{"v": 2, "id": "x"}']
    events = [json.dumps({"v": 1, "id": id_}).encode() for id_ in ids]
    for payload in [events[0], *noise, *events[1:]]:
        client.publish("edged/v1/home/pi/event/object_left/door", payload, qos=1).wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()
