"""A machine with an Edge TPU that does as a test tells it, and a daemon that uses it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import Daemon, Subscriber

from edged.testing.broker import Mosquitto
from edged.testing.sysfs import plug_in
from edged.testing.tflite import for_edgetpu

FELL, BACK = "its accelerator failed", "works again: going back to it"


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

    def reload(self, delegate: str = "auto", more: str = "") -> tuple[int, str]:
        """Exit status and words of ``edged reload`` with another configuration."""
        command = [sys.executable, "-m", "edged", "reload", "--config", self.config(delegate, more)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr


def write_bundle(bundle: Path, test_data: Path) -> None:
    """A detector with a variant for the Edge TPU."""
    model = (test_data / "models/ssd_mobilenet_v1_coco_quant.tflite").read_bytes()
    bundle.mkdir()
    (bundle / "ssd.tflite").write_bytes(model)
    (bundle / "ssd_edgetpu.tflite").write_bytes(for_edgetpu(model))
    shutil.copy(test_data / "models/ssd_mobilenet_v1_coco_quant.labels.txt", bundle / "labels.txt")
    (bundle / "model.toml").write_text(
        'name = "ssd"\nversion = "1"\nlabels_file = "labels.txt"\n[files]\ncpu = "ssd.tflite"\nedgetpu = "ssd_edgetpu.tflite"\n'
        '[decoder]\nname = "ssd_postprocess"\n'
    )


@contextmanager
def benched(directory: Path, test_data: Path, library: Path) -> Iterator[Bench]:
    write_bundle(directory / "ssd", test_data)
    shutil.copy(test_data / "media/cat.bmp", directory)
    (directory / "broker").mkdir()
    with Mosquitto(directory / "broker") as broker:
        bench = Bench(directory, library, broker.port)
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
