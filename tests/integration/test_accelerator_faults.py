"""An accelerator that dies under the daemon, in every way that its library knows, and comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import Daemon, Subscriber, running, subscribed, wait_until

from edged.testing.broker import Mosquitto
from edged.testing.sysfs import plug_in
from edged.testing.tflite import for_edgetpu


@dataclass
class Bench:
    """A machine with an Edge TPU of which the test can pull the strings."""

    directory: Path
    library: Path
    port: int

    @property
    def root(self) -> Path:
        return self.directory / "root"

    def control(self, *lines: str) -> None:
        Path(f"{self.library}.control").write_text("\n".join(lines) + "\n")

    def plug_in(self) -> None:
        plug_in(self.root, "1-1")

    def unplug(self) -> None:
        shutil.rmtree(self.root / "sys/bus/usb/devices/1-1")

    def config(self, delegate: str = "auto", more: str = "") -> Path:
        path = self.directory / "edged.toml"
        path.write_text(f"""
            [device]
            name = "pi"
            state_directory = "{self.directory / "state"}"
            [models.ssd]
            bundle = "{self.directory / "ssd"}"
            delegate = "{delegate}"
            edgetpu = {{ library = "{self.library}" }}
            [cameras.door]
            model = "ssd"
            file = {{ path = "{self.directory / "cat.bmp"}", pace = "fast", loop = true }}
            [mqtt]
            host = "127.0.0.1"
            port = {self.port}
            {more}
        """)
        return path


@pytest.fixture
def bench(test_data: Path, tmp_path: Path, build_library: Callable[[str, str], Path]) -> Iterator[Bench]:
    model = (test_data / "models/ssd_mobilenet_v1_coco_quant.tflite").read_bytes()
    bundle = tmp_path / "ssd"
    bundle.mkdir()
    (bundle / "ssd.tflite").write_bytes(model)
    (bundle / "ssd_edgetpu.tflite").write_bytes(for_edgetpu(model))
    shutil.copy(test_data / "models/ssd_mobilenet_v1_coco_quant.labels.txt", bundle / "labels.txt")
    (bundle / "model.toml").write_text(
        'name = "ssd"\nversion = "1"\nlabels_file = "labels.txt"\n[files]\ncpu = "ssd.tflite"\nedgetpu = "ssd_edgetpu.tflite"\n'
        '[decoder]\nname = "ssd_postprocess"\n'
    )
    shutil.copy(test_data / "media/cat.bmp", tmp_path)
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as broker:
        bench = Bench(tmp_path, build_library("delegate.c", "libedgetpu.so.1"), broker.port)
        bench.plug_in()
        yield bench


def changes(subscriber: Subscriber) -> list[tuple[str, str]]:
    """Delegate and reason of every model_changed event."""
    return [(event["delegate"], event["fallback"]) for event in subscriber.events("model_changed")]


def model_state(subscriber: Subscriber) -> dict[str, Any]:
    states = [payload for topic, payload in list(subscriber.messages) if topic.endswith("/model/ssd")]
    return json.loads(states[-1])  # type: ignore[no-any-return]


def wait_for_changes(subscriber: Subscriber, *delegates: str) -> None:
    subscriber.wait_until(
        lambda: [name for name, _ in changes(subscriber)] == list(delegates), f"{delegates}: {changes(subscriber)}"
    )


def wait_for_cat(subscriber: Subscriber) -> None:
    """Wait until what serves now has seen one."""
    since = subscriber.events("model_changed")[-1]["seq"]
    subscriber.wait_until(lambda: any(event["seq"] > since for event in subscriber.events("object_appeared")), "a cat")


def count(daemon: Daemon, text: str) -> int:
    return sum(text in line for line in daemon.log)


FELL, BACK = "its accelerator failed", "works again: going back to it"


def test_an_edge_tpu_is_used_whenever_it_is_plugged_in_and_works(bench: Bench) -> None:
    bench.unplug()
    with subscribed(bench.port) as subscriber, running(bench.config(), root=bench.root) as daemon:
        wait_for_changes(subscriber, "xnnpack")
        assert "no Edge TPU is connected" in changes(subscriber)[0][1]
        bench.plug_in()
        wait_for_changes(subscriber, "xnnpack", "edgetpu")
        wait_for_cat(subscriber)
        subscriber.wait_until(lambda: model_state(subscriber)["delegate"] == "edgetpu", "state")
        assert model_state(subscriber)["fallback"] == ""
        bench.unplug()
        bench.control("invoke abort")
        wait_for_changes(subscriber, "xnnpack", "edgetpu", "xnnpack")
        wait_for_cat(subscriber)
        subscriber.wait_until(lambda: model_state(subscriber)["delegate"] == "xnnpack", "state")
        assert "SIGABRT" in model_state(subscriber)["fallback"]
        bench.control()
        bench.plug_in()
        wait_for_changes(subscriber, "xnnpack", "edgetpu", "xnnpack", "edgetpu")
        subscriber.wait_until(lambda: model_state(subscriber)["delegate"] == "edgetpu", "state")
        wait_for_cat(subscriber)
        assert (count(daemon, FELL), count(daemon, BACK)) == (1, 2)
        assert count(daemon, "the vision process ended") == 1  # going back was no death
        bench.control("invoke error")
        wait_for_changes(subscriber, "xnnpack", "edgetpu", "xnnpack", "edgetpu", "xnnpack")
        assert "bulk endpoint 1" in changes(subscriber)[-1][1]
        assert daemon.stop() == 0
        subscriber.wait_until(lambda: subscriber.messages[-1][1] == b"offline", "leave")
        assert len(subscriber.events("object_left")) == len(subscriber.events("object_appeared"))
        assert len({event["digest"] for event in subscriber.events("model_changed")}) == 1


def test_an_accelerator_that_kills_whoever_loads_it_leaves_the_daemon_on_the_cpu(bench: Bench) -> None:
    bench.control("create abort")
    with subscribed(bench.port) as subscriber, running(bench.config(), root=bench.root) as daemon:
        wait_for_changes(subscriber, "xnnpack")
        subscriber.wait_until(lambda: bool(subscriber.events("object_appeared")), "a cat on the CPU")
        assert daemon.stop() == 0
    assert count(daemon, "the vision process ended") == count(daemon, FELL) == 1


def test_a_demanded_accelerator_that_never_worked_ends_the_daemon_with_its_reason(bench: Bench) -> None:
    def ended(*faults: str) -> str:
        bench.control(*faults)
        daemon = Daemon(bench.config("edgetpu"), root=bench.root)
        daemon.start()
        assert daemon.wait()[0] == 1
        text = "\n".join(daemon.log)
        assert "Traceback" not in text
        return text

    assert "SIGABRT" in ended("create abort")
    assert "no firmware" in ended("create fail no firmware")


def test_a_camera_that_shares_nothing_with_the_accelerator_loses_only_the_restart(bench: Bench, test_data: Path) -> None:
    other = f"""
        [models.cpu]
        bundle = "{bench.directory / "ssd"}"
        delegate = "xnnpack"
        [cameras.yard]
        model = "cpu"
        file = {{ path = "{bench.directory / "cat.bmp"}", pace = "fast", loop = true }}
    """
    with subscribed(bench.port) as subscriber, running(bench.config(more=other), root=bench.root) as daemon:

        def cats_in_the_yard() -> int:
            return sum(event["camera"] == "yard" for event in subscriber.events("object_appeared"))

        subscriber.wait_until(lambda: cats_in_the_yard() == 1 and len(changes(subscriber)) == 2, "both serve")
        bench.control("invoke segfault")
        subscriber.wait_until(lambda: cats_in_the_yard() == 2, "the yard goes on")
        daemon.wait_for("trial of its accelerator: the trial was ended by SIGSEGV")
        assert daemon.stop() == 0
        assert cats_in_the_yard() == 2
        assert all(event["fallback"] == "" for event in subscriber.events("model_changed") if event["model_name"] == "cpu")
    assert count(daemon, "the vision process ended") == 1


def test_a_hung_accelerator_is_noticed_and_left(bench: Bench) -> None:
    with subscribed(bench.port) as subscriber, running(bench.config(), root=bench.root) as daemon:
        wait_for_changes(subscriber, "edgetpu")
        bench.control("invoke hang")
        wait_for_changes(subscriber, "edgetpu", "xnnpack")
        vision = daemon.vision_pid
        assert daemon.stop() == 0
        wait_until(lambda: not Path(f"/proc/{vision}").exists(), "no process is left behind")
    assert count(daemon, "frames wait and none is inferred") == 1
