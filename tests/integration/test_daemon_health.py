"""The daemon says how it is, over MQTT and HTTP, and counters survive what they count."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import PATIENCE_S, Daemon, Subscriber, running, subscribed, wait_until

from edged.mqtt.payload import json_schema
from edged.testing.broker import Mosquitto, ReservedPort


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    directory = tmp_path / "broker"
    directory.mkdir()
    with Mosquitto(directory) as broker:
        yield broker


class Asked:
    """A daemon's configuration with the port that it can be asked at."""

    def __init__(self, directory: Path, test_data: Path, broker: Mosquitto, more: str = "") -> None:
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self.config = directory / "edged.toml"
        self.config.write_text(f"""
            [device]
            name = "pi"
            state_directory = "{directory / "state"}"
            [models.ssd]
            bundle = "{test_data}/models/ssd_mobilenet_v1_coco_quant.tflite"
            [cameras.door]
            model = "ssd"
            file = {{ path = "{test_data}/media/bottle-detection.mp4", pace = "realtime", loop = true }}
            [mqtt]
            host = "127.0.0.1"
            port = {broker.port}
            health_interval_s = 5
            [metrics]
            listen = "127.0.0.1:{self.port}"
            {more}
        """)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], tuple[str, float]]:
        """Type of the family and value, by name and labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1].decode())
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): (family.type, sample.value)
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """0 while there is no such sample."""
        return self.samples().get((name, tuple(sorted(labels.items()))), ("", 0.0))[1]


def reports(subscriber: Subscriber) -> list[dict[str, Any]]:
    return [json.loads(payload) for topic, payload in list(subscriber.messages) if topic == "edged/v1/home/pi/health"]


def codes(report: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in report["problems"]}


def kill_vision(daemon: Daemon) -> None:
    vision = daemon.vision_pid
    assert vision
    os.kill(vision, signal.SIGKILL)


def test_no_counter_goes_back_when_the_vision_process_dies(test_data: Path, tmp_path: Path, broker: Mosquitto) -> None:
    asked = Asked(tmp_path, test_data, broker)
    with subscribed(broker.port) as subscriber, running(asked.config) as daemon:
        daemon.wait_for("ready")
        wait_until(lambda: asked.value("edged_camera_frames_inferred_total", camera="door") > 20, "frames")
        ages = "edged_camera_frame_age_seconds_count"  # of those that have come all the way
        wait_until(lambda: asked.value(ages, camera="door", stage="reported") > 20, "their ages")
        before = asked.samples()
        assert before["edged_process_cpu_seconds_total", (("process", "vision"),)][1] > 0
        for life in (1, 2):
            kill_vision(daemon)
            daemon.wait_for("the vision process ended", life)
            daemon.wait_for("camera door:", life + 1)
            seen = before["edged_camera_frames_inferred_total", (("camera", "door"),)][1]
            wait_until(lambda seen=seen: asked.value("edged_camera_frames_inferred_total", camera="door") > seen + 5, "more frames")
            after = asked.samples()
            for key, (kind, value) in before.items():
                if kind in {"counter", "histogram"}:
                    assert after[key][1] >= value, key
            before = after
        assert asked.value("edged_vision_restarts_total") == 2
        subscriber.wait_until(lambda: any("vision_restarting" in codes(report) for report in reports(subscriber)), "it is said")
        subscriber.wait_until(lambda: "vision_restarting" not in codes(reports(subscriber)[-1]), "it is over")
        assert daemon.stop() == 0
        for report in reports(subscriber):
            jsonschema.validate(report, json_schema()["health"])


def test_lost_camera_is_said_at_once_and_its_health_is_retained(test_data: Path, tmp_path: Path, broker: Mosquitto) -> None:
    more = '[cameras.gate]\nmodel = "ssd"\nrequired = false\nv4l2 = { device = "/dev/no-such-camera" }\n'
    asked = Asked(tmp_path, test_data, broker, more)
    with running(asked.config) as daemon:
        daemon.wait_for("camera gate: lost")
        with subscribed(broker.port) as subscriber:  # who comes later learns it too
            subscriber.wait_until(lambda: any("camera_lost" in codes(report) for report in reports(subscriber)), "the loss")
            (problem,) = (it for it in reports(subscriber)[-1]["problems"] if it["code"] == "camera_lost")
            assert problem["subject"] == "gate"
            assert problem["detail"]
            daemon.wait_for("ready")
            count = len(reports(subscriber))
            subscriber.wait_until(lambda: len(reports(subscriber)) > count + 1, "reports go on")
            door = next(camera for camera in reports(subscriber)[-1]["cameras"] if camera["camera"] == "door")
            assert door["inferred"] > 0
            assert door["inferred_hz"] > 0
        status, body = asked.get("/healthz")
        assert status == 200
        jsonschema.validate(json.loads(body), json_schema()["health"])
        assert asked.value("edged_problem", code="camera_lost", severity="degraded", subject="gate") == 1
        assert daemon.stop() == 0


def test_health_is_failing_while_no_camera_delivers(test_data: Path, tmp_path: Path, broker: Mosquitto) -> None:
    asked = Asked(tmp_path, test_data, broker)
    lines = asked.config.read_text().splitlines()
    asked.config.write_text("\n".join('v4l2 = { device = "/dev/none" }' if "file =" in line else line for line in lines))
    with running(asked.config) as daemon:
        daemon.wait_for("camera door: lost")
        wait_until(lambda: asked.get("/healthz")[0] == 503, "failing")
        assert daemon.stop() == 0


def test_port_that_is_taken_ends_the_daemon_with_its_reason(test_data: Path, tmp_path: Path, broker: Mosquitto) -> None:
    asked = Asked(tmp_path, test_data, broker)
    asked.config.write_text(asked.config.read_text().replace(f":{asked.port}", f":{broker.port}"))
    daemon = Daemon(asked.config)
    daemon.start()
    assert daemon.wait()[0] == 1
    assert any(f"cannot listen on 127.0.0.1:{broker.port}" in line for line in daemon.log)
    assert not any("Traceback" in line for line in daemon.log)
