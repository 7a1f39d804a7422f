"""What the daemon promises when something dies: the broker, the main process, the vision process."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import Daemon, ServiceManager, Subscriber, running, stored_ids, subscribed, wait_until

from edged.testing.broker import Mosquitto

OUTAGE_S = 60
"""The outage that is promised to be survived; events flow all the time."""


@pytest.fixture
def pictures(test_data: Path, tmp_path: Path) -> Path:
    """A cat that comes and goes, a few times a second at the speed of the model."""
    directory = tmp_path / "pictures"
    directory.mkdir()
    cat, empty = cv2.imread(str(test_data / "media/cat.bmp")), np.zeros((341, 512, 3), np.uint8)
    for number, image in enumerate([cat] * 4 + [empty] * 4):
        cv2.imwrite(str(directory / f"{number}.png"), image)
    return directory


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    directory = tmp_path / "broker"
    directory.mkdir()
    with Mosquitto(directory, persistence=True, options="max_queued_messages 0") as broker:
        yield broker


def write_config(path: Path, test_data: Path, pictures: Path, mqtt: str = "", sinks: str = "", pace: str = "fast") -> Path:
    path.write_text(f"""
        [device]
        name = "pi"
        state_directory = "{path.parent / "state"}"
        [models.ssd]
        bundle = "{test_data}/models/ssd_mobilenet_v1_coco_quant.tflite"
        [cameras.door]
        model = "ssd"
        file = {{ path = "{pictures}", pace = "{pace}", loop = true }}
        [tracking]
        appear_after_s = 0
        {mqtt}
        {sinks}
    """)
    return path


def mqtt_to(broker: Mosquitto) -> str:
    return f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'


def event_count(subscriber: Subscriber) -> int:
    return sum("/event/" in topic for topic, _ in list(subscriber.messages))


def check_story(subscriber: Subscriber) -> None:
    """Every object that appeared has left, once; the ids of an epoch have no gap."""
    events = subscriber.events()
    ids = [event["object_id"] for event in events if event["kind"] == "object_appeared"]
    assert len(ids) == len(set(ids))
    assert sorted(ids) == sorted(event["object_id"] for event in events if event["kind"] == "object_left")
    assert sorted(event["seq"] for event in events) == list(range(1, len(events) + 1))
    assert len({event["epoch"] for event in events}) == 1


def test_nothing_is_lost_over_an_outage_and_a_crash(test_data: Path, tmp_path: Path, pictures: Path, broker: Mosquitto) -> None:
    config = write_config(tmp_path / "edged.toml", test_data, pictures, mqtt_to(broker))
    state = tmp_path / "state"
    with subscribed(broker.port) as subscriber:
        with running(config) as daemon:
            subscriber.wait_until(lambda: event_count(subscriber) > 20, "events flow")
            broker.stop()
            stopped = time.monotonic()
            daemon.wait_for("broker: ")
            before = len(stored_ids(state))
            wait_until(lambda: time.monotonic() - stopped > OUTAGE_S / 2, "half of the outage")
            daemon.kill()
        assert len(stored_ids(state)) > before
        with running(config) as daemon:
            wait_until(lambda: time.monotonic() - stopped > OUTAGE_S, "the outage")
            at_return = len(stored_ids(state))
            broker.start()
            subscriber.wait_until(lambda: len(subscriber.events()) > at_return, "the backlog")
            assert daemon.stop() == 0
        subscriber.wait_until(lambda: {e["id"] for e in subscriber.events()} >= stored_ids(state), "every event")
        assert {event["id"] for event in subscriber.events()} == stored_ids(state)
        check_story(subscriber)
        assert len(subscriber.events("model_changed")) == 1  # the second start changed none


def test_killed_vision_process_comes_back_and_nothing_is_lost(
    test_data: Path, tmp_path: Path, pictures: Path, broker: Mosquitto
) -> None:
    config = write_config(tmp_path / "edged.toml", test_data, pictures, mqtt_to(broker))
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        for kills in range(1, 4):
            seen = event_count(subscriber)
            subscriber.wait_until(lambda seen=seen: event_count(subscriber) > seen + 4, "events flow")
            main, vision = daemon.pid, daemon.vision_pid
            assert vision
            os.kill(vision, signal.SIGKILL)
            daemon.wait_for("the vision process ended (killed by SIGKILL)", kills)
            wait_until(lambda vision=vision: daemon.vision_pid not in {None, vision}, "a new vision process")
            assert daemon.pid == main
        seen = event_count(subscriber)
        subscriber.wait_until(lambda: event_count(subscriber) > seen + 4, "events flow again")
        assert daemon.stop() == 0
        subscriber.wait_until(lambda: subscriber.messages[-1][1] == b"offline", "leave")
        assert {event["id"] for event in subscriber.events()} == stored_ids(tmp_path / "state")
        check_story(subscriber)
        assert len(subscriber.events("model_changed")) == 1  # the same model again is no change


def test_wedged_vision_process_is_replaced(test_data: Path, tmp_path: Path, pictures: Path) -> None:
    with running(write_config(tmp_path / "edged.toml", test_data, pictures)) as daemon:
        daemon.wait_for("ready")
        vision = daemon.vision_pid
        assert vision
        os.kill(vision, signal.SIGSTOP)
        daemon.wait_for("the vision process was silent")
        wait_until(lambda: daemon.vision_pid not in {None, vision}, "a new vision process")
        daemon.wait_for("model ssd", 2)
        assert daemon.stop() == 0


def test_service_manager_is_told_the_truth(test_data: Path, tmp_path: Path, pictures: Path) -> None:
    manager = ServiceManager(tmp_path / "notify")
    config = write_config(tmp_path / "edged.toml", test_data, pictures)
    with running(config, manager.environment) as daemon:
        heard = manager.wait_for("READY=1")
        wait_until(lambda: any(line.endswith(" ready") for line in daemon.log), "it does not say so")
        said = [line for line in daemon.log if "self-test" in line or line.endswith(" ready")]
        assert "model ssd: " in said[0]  # after the self-test and the first results
        heard = manager.wait_for("WATCHDOG=1")
        heard += manager.wait_for("STATUS=")
        os.kill(daemon.pid, signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert daemon.wait()[0] == 0
    manager.close()


def test_not_ready_while_a_required_camera_gives_nothing(test_data: Path, tmp_path: Path, pictures: Path) -> None:
    config = write_config(tmp_path / "edged.toml", test_data, pictures)
    config.write_text(config.read_text() + '\n[cameras.gate]\nmodel = "ssd"\nv4l2 = { device = "/dev/no-such-camera" }\n')
    with running(config) as daemon:
        daemon.wait_for("camera gate: lost")
        daemon.wait_for("appeared", 3)
        assert not [line for line in daemon.log if line.endswith("ready")]
        assert daemon.stop() == 0


def test_without_a_broker_the_daemon_is_whole(test_data: Path, tmp_path: Path, pictures: Path) -> None:
    jsonl = tmp_path / "events.jsonl"
    config = write_config(tmp_path / "edged.toml", test_data, pictures, sinks=f'[sinks]\nconsole = true\njsonl = "{jsonl}"\n')
    with running(config) as daemon:
        wait_until(lambda: jsonl.exists() and len(jsonl.read_bytes().splitlines()) > 6, "events in the file")
        daemon.signal(signal.SIGINT)
        status, printed = daemon.wait()
    assert status == 0
    events = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert {event["id"] for event in events} == stored_ids(tmp_path / "state")
    assert printed.count("appeared") == sum(event["kind"] == "object_appeared" for event in events)
    assert events[-1]["kind"] != "object_appeared"  # what was in view when it stopped has left


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("ssd_mobilenet_v1_coco_quant.tflite", "no_such_model.tflite"), "no_such_model.tflite"),
        (("ssd_mobilenet_v1_coco_quant.tflite", "mobilenet_v1_0.25_128_quant_edgetpu.tflite"), "Edge TPU"),
        (("pictures", "no-pictures"), "no-pictures"),
    ],
)
def test_fault_that_no_restart_mends_ends_the_daemon_with_its_reason(
    test_data: Path, tmp_path: Path, pictures: Path, change: tuple[str, str], says: str
) -> None:
    config = write_config(tmp_path / "edged.toml", test_data, pictures)
    config.write_text(config.read_text().replace(*change))
    daemon = Daemon(config)
    daemon.start()
    status, _ = daemon.wait()
    assert status == 1
    assert any(says in line for line in daemon.log)
    assert not any("Traceback" in line for line in daemon.log)


def test_annotated_video_that_cannot_be_written_is_said_at_once(test_data: Path, tmp_path: Path, pictures: Path) -> None:
    config = write_config(tmp_path / "edged.toml", test_data, pictures)
    config.write_text(config.read_text().replace('model = "ssd"', 'model = "ssd"\nannotated = "/proc/nothing.mp4"'))
    daemon = Daemon(config)
    daemon.start()
    assert daemon.wait()[0] == 1
    assert any("/proc/nothing.mp4" in line for line in daemon.log)


def test_full_disk_under_the_jsonl_file_does_not_end_the_daemon(test_data: Path, tmp_path: Path, pictures: Path) -> None:
    config = write_config(tmp_path / "edged.toml", test_data, pictures, sinks='[sinks]\njsonl = "/dev/full"\n')
    with running(config) as daemon:
        daemon.wait_for("JsonlSink cannot write: No space left")
        wait_until(lambda: len(stored_ids(tmp_path / "state")) > 10, "events go on")
        assert daemon.stop() == 0
    assert sum("JsonlSink" in line for line in daemon.log) == 1


def test_hung_vision_process_at_the_stop_leaves_no_object_open(
    test_data: Path, tmp_path: Path, pictures: Path, broker: Mosquitto
) -> None:
    for number in range(4, 8):
        (pictures / f"{number}.png").unlink()  # the cat stays
    config = write_config(tmp_path / "edged.toml", test_data, pictures, mqtt_to(broker))
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        subscriber.wait_until(lambda: bool(subscriber.events("object_appeared")), "a cat")
        vision = daemon.vision_pid
        assert vision
        os.kill(vision, signal.SIGSTOP)
        assert daemon.stop() == 0
        subscriber.wait_until(lambda: subscriber.messages[-1][1] == b"offline", "leave")
        assert [event["reason"] for event in subscriber.events("object_left")] == ["interrupted"]
        check_story(subscriber)


def test_recording_that_ended_is_not_played_again(test_data: Path, tmp_path: Path, pictures: Path, broker: Mosquitto) -> None:
    config = write_config(tmp_path / "edged.toml", test_data, pictures, mqtt_to(broker))
    once = f'\n[cameras.once]\nmodel = "ssd"\nfile = {{ path = "{pictures}/0.png", pace = "fast" }}\n'
    config.write_text(config.read_text() + once)
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        daemon.wait_for("camera once: the recording has ended")
        vision = daemon.vision_pid
        assert vision
        os.kill(vision, signal.SIGKILL)
        daemon.wait_for("camera door:", 2)
        seen = event_count(subscriber)
        subscriber.wait_until(lambda: event_count(subscriber) > seen + 4, "events flow again")
        assert daemon.stop() == 0
        states = [json.loads(payload)["state"] for topic, payload in subscriber.messages if topic.endswith("camera/once")]
        assert states[-1] == "ended"
    assert sum("camera once: the recording has ended" in line for line in daemon.log) == 1
