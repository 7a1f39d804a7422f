"""The main job, whole: a real clip, a real model, a real broker, seen from the subscriber's side."""

from __future__ import annotations

import json
from pathlib import Path

from support import running, subscribed

from edged.testing.broker import Mosquitto

VISIBLE_S = [(6.0, 20.0), (22.7, 45.0), (50.2, 70.0), (74.5, 87.0), (92.1, 120.0), (123.4, 136.0)]
"""First and last moment at which any part of each person is in the picture, read off the frames by eye."""

LATE_S = 2.0
"""How much later than the first visible foot the detector may be sure, and how long after the last it may hold on."""


def test_people_come_and_go_as_in_the_clip(test_data: Path, tmp_path: Path) -> None:
    config = tmp_path / "edged.toml"
    config.write_text(f"""
        [device]
        name = "pi"
        state_directory = "{tmp_path / "state"}"
        [models.ssd]
        bundle = "{test_data}/models/ssd_mobilenet_v1_coco_quant.tflite"
        [cameras.hall]
        model = "ssd"
        file = {{ path = "{test_data}/media/one-by-one-person-detection.mp4", pace = "fast" }}
        [mqtt]
        host = "127.0.0.1"
        port = PORT
    """)
    with Mosquitto(tmp_path) as broker:
        config.write_text(config.read_text().replace("PORT", str(broker.port)))
        with subscribed(broker.port) as subscriber, running(config) as daemon:
            assert daemon.wait()[0] == 0, daemon.log  # it ends with the recording
            subscriber.wait_until(lambda: subscriber.messages[-1][1] == b"offline", "the daemon took no leave")
            people = [event for event in subscriber.events("object") if event["label"] == "person"]
            retained = {topic.removeprefix("edged/v1/home/pi/"): payload for topic, payload in subscriber.messages}
    appeared = {event["object_id"]: event for event in people if event["kind"] == "object_appeared"}
    left = {event["object_id"]: event for event in people if event["kind"] == "object_left"}
    assert appeared.keys() == left.keys()
    assert len(appeared) == len(VISIBLE_S)
    for (first_s, last_s), (object_id, came) in zip(VISIBLE_S, appeared.items(), strict=True):
        gone = left[object_id]
        assert first_s <= came["media_s"] <= first_s + LATE_S
        assert last_s - LATE_S <= gone["media_s"] <= last_s + LATE_S
        assert gone["dwell_s"] >= 0.8 * (last_s - first_s - LATE_S)
        assert gone["reason"] == "left"
        assert gone["best_score"] > 0.6
        assert 2 <= len(gone["path"]) <= 64
        assert came["id"].startswith("pi/")
    assert retained["availability"] == b"offline"
    assert json.loads(retained["camera/hall"])["state"] == "ended"
    model = json.loads(retained["model/ssd"])
    assert model["delegate"] == "xnnpack"
    assert {event["model"] for event in people} == {model["digest"]}
