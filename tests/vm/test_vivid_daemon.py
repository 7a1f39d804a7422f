"""The daemon on a real driver: ready, the camera breaks, the camera is back. Runs in the guest of ``scripts/vm v4l2``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest
from support import Daemon, running, wait_until
from vivid import control, silent, unplugged

from edged.sources.open import open_source
from edged.sources.settings import SourceSettings, V4l2Settings

CAMERA = Path("/dev/video0")
EDGED = (sys.executable, "-m", "edged")


class Site:
    """A configuration that reads ``CAMERA``, and the events that came of it."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "edged.toml"
        self._events = directory / "events.jsonl"
        self.config.write_text(f"""
            [device]
            name = "pi"
            state_directory = "{directory / "state"}"
            [models.faces]
            bundle = "blazeface-short"
            [cameras.door]
            model = "faces"
            v4l2 = {{ device = 0, width = 320, height = 180, fps = 15 }}
            reopen_min_s = 0.1
            reopen_max_s = 1
            [sinks]
            jsonl = "{self._events}"
        """)

    def events(self) -> list[dict[str, Any]]:
        """Of the camera, so far."""
        lines = self._events.read_bytes().splitlines() if self._events.exists() else []
        return [event for event in map(json.loads, lines) if event["kind"].startswith("source_")]

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The last event, once it is of this kind."""
        wait_until(lambda: [event["kind"] for event in self.events()][-1:] == [kind], f"no {kind} in {self.events()}")
        return self.events()[-1]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    with running(site.config) as daemon:
        daemon.wait_for("ready")
        yield daemon
        assert daemon.stop() == 0, daemon.log


def check_story(site: Site, reason: str) -> None:
    """One loss, for this reason, and one return."""
    lost, back = site.events()
    assert (lost["kind"], back["kind"]) == ("source_lost", "source_back")
    assert lost["camera"] == back["camera"] == "door"
    assert reason in lost["reason"]
    assert back["outage_s"] > 0


def test_serves_a_camera(daemon: Daemon, site: Site) -> None:
    daemon.wait_for("camera door: /dev/video0 320x180 BGR3 at 15 fps, 320 x 180, 15.0 fps")
    assert site.events() == []


def test_disconnect_and_return(daemon: Daemon, site: Site) -> None:
    control(CAMERA, disconnect=1)
    site.wait_for("source_back")
    check_story(site, "stopped with an error")


def test_silence_and_return(daemon: Daemon, site: Site) -> None:
    with silent(CAMERA):
        site.wait_for("source_lost")
        daemon.wait_for("camera door: lost", 2)  # opened again, and still silent: that is no second event
    site.wait_for("source_back")
    check_story(site, "no frame in 2.")


def test_unplugged_and_plugged_in_again(daemon: Daemon, site: Site) -> None:
    with unplugged():
        site.wait_for("source_lost")
        daemon.wait_for("No such file or directory")
    site.wait_for("source_back")
    check_story(site, "/dev/video0 is gone")


def test_starts_before_its_camera_is_free(site: Site) -> None:
    with closing(open_source("other", SourceSettings(v4l2=V4l2Settings(device=0)))) as other, running(site.config) as daemon:
        assert "held by python3" in site.wait_for("source_lost")["reason"]
        other.close()
        daemon.wait_for("ready")
        site.wait_for("source_back")
        assert daemon.stop() == 0


def test_doctor_checks_the_configured_camera(site: Site) -> None:
    command = [*EDGED, "doctor", "--json", "--config", str(site.config)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    found = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert (found["camera door"]["status"], found["camera door"]["what"]) == ("ok", "/dev/video0 (vivid)")
    assert found["model faces"]["status"] == "ok"


def test_demo_with_a_camera(tmp_path: Path) -> None:
    video = tmp_path / "annotated.mp4"
    command = [*EDGED, "demo", "--camera", "0", "--out", str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "COLUMNS": "160"}, stdout=subprocess.PIPE, text=True) as demo:
        wait_until(lambda: video.exists() and video.stat().st_size > 0, "no picture was written")
        demo.send_signal(signal.SIGINT)
        shown, _ = demo.communicate()
    assert demo.returncode == 0
    assert "640 x 480  video0 640x480 BGR3 at 25 fps" in shown
    assert cv2.VideoCapture(str(video)).read()[0]


def test_a_snapshot_of_a_camera_that_the_daemon_has_says_so_and_is_taken_afterwards(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "door.jpg"
    command = [*EDGED, "camera", "snapshot", "door", "--config", str(site.config), "-o", str(path)]
    with running(site.config) as daemon:
        daemon.wait_for("ready")
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert refused.returncode == 1
        assert "/dev/video0 cannot be opened, it is held by edged (pid " in refused.stderr
        assert "systemctl stop edged" in refused.stderr
        listed = json.loads(
            subprocess.run([*EDGED, "camera", "list", "--json"], capture_output=True, check=True, timeout=300).stdout
        )
        assert [camera["held_by"][0].split()[0] for camera in listed["cameras"] if camera["place"] == str(CAMERA)] == ["edged"]
        assert daemon.stop() == 0
    subprocess.run(command, check=True, timeout=300)
    assert cv2.imread(str(path)).shape == (180, 320, 3)
