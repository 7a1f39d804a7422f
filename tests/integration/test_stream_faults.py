"""A network camera that freezes, dies, comes back, changes, or is cut off, seen through the whole daemon."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cameras.rtsp import RtspCamera
from support import Daemon, require_rtsp_server, running, wait_until

STALL_S, OPEN_S, REOPEN_S = 2.0, 1.0, 1.0
LOST_WITHIN_S = STALL_S
BACK_WITHIN_S = 3 * OPEN_S + REOPEN_S + 1.0
"""The attempt that was under way, the wait after it, and the next picture that stands alone: as edged/sources/DESIGN.md says."""

BUSY_S = 15.0
"""For a machine that has other things to do."""


def configure(path: Path, test_data: Path, url: str) -> Path:
    path.write_text(f"""
        [device]
        name = "pi"
        state_directory = "{path.parent / "state"}"
        [models.ssd]
        bundle = "{test_data}/models/ssd_mobilenet_v1_coco_quant.tflite"
        [cameras.door]
        model = "ssd"
        stall_after_s = {STALL_S}
        reopen_min_s = 0.1
        reopen_max_s = {REOPEN_S}
        [cameras.door.stream]
        url = "{url}"
        open_timeout_s = {OPEN_S}
        [sinks]
        jsonl = "{path.parent / "events.jsonl"}"
    """)
    return path


class Story:
    """The events that the daemon wrote down, and how long after a fault they say it was noticed."""

    def __init__(self, daemon: Daemon, events: Path) -> None:
        self._daemon, self._events = daemon, events
        daemon.wait_for("camera door: rtsp://")
        daemon.wait_for("ready")  # with all the threads that it takes to infer
        wait_until(lambda: daemon.vision_pid is not None, "a vision process")
        self.vision = daemon.vision_pid
        self.held = self._held()

    def await_event(self, kind: str, count: int, since: float, within_s: float) -> dict[str, Any]:
        """The ``count``-th event of ``kind``, which must say that it happened ``within_s`` after ``since`` (time.time())."""
        wait_until(lambda: len(self._of(kind)) >= count, f"{kind} {count}")
        event = self._of(kind)[count - 1]
        took_s = datetime.fromisoformat(event["time"]).timestamp() - since
        assert -0.1 < took_s < within_s + BUSY_S
        return event

    def check_unharmed(self) -> None:
        """The same process, with as many threads and files as before."""
        assert self._daemon.vision_pid == self.vision
        wait_until(lambda: self._held() == self.held, f"{self._held()} threads and files, {self.held} before")

    def _of(self, kind: str) -> list[dict[str, Any]]:
        text = self._events.read_text() if self._events.exists() else ""
        whole, _, _ = text.rpartition("\n")  # the last line may be on its way
        return [event for event in map(json.loads, whole.splitlines()) if event["kind"] == kind]

    def _held(self) -> tuple[int, int]:
        process = Path(f"/proc/{self.vision}")
        return sum(1 for _ in (process / "task").iterdir()), sum(1 for _ in (process / "fd").iterdir())


def test_faults_of_a_camera_are_told_in_time_and_mended_by_the_same_process(test_data: Path, tmp_path: Path) -> None:
    require_rtsp_server()
    with RtspCamera() as camera, running(configure(tmp_path / "edged.toml", test_data, camera.url)) as daemon:
        story = Story(daemon, tmp_path / "events.jsonl")

        frozen = time.time()
        camera.freeze()
        lost = story.await_event("source_lost", 1, frozen, LOST_WITHIN_S)
        assert "rtsp://" in lost["reason"] or "no frame for" in lost["reason"]
        thawed = time.time()
        camera.thaw()
        story.await_event("source_back", 1, thawed, BACK_WITHIN_S)
        story.check_unharmed()

        killed = time.time()
        camera.kill()
        story.await_event("source_lost", 2, killed, LOST_WITHIN_S)
        restarted = time.time()
        camera.start()
        story.await_event("source_back", 2, restarted, BACK_WITHIN_S)
        story.check_unharmed()

        camera.order("size 1280x704")
        daemon.wait_for("h264, 1280 x 704")
        story.check_unharmed()

        camera.freeze()  # a read that hangs does not hold up the end
        assert daemon.stop() == 0
    assert sum("lost:" in line and "WARNING" in line for line in daemon.log) <= 2
    assert not any("Traceback" in line for line in daemon.log)


class Network:
    """A namespace with one end of a cable in it; ``cut`` drops every packet without a word to either side."""

    OURS, THEIRS = "10.213.77.1", "10.213.77.2"

    def __init__(self) -> None:
        self.name = f"edged{os.getpid()}"

    def __enter__(self) -> Network:
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "link", "add", f"v{self.name}"[:15], "type", "veth", "peer", "name", "eth0", "netns", self.name)
            run("ip", "addr", "add", f"{self.OURS}/30", "dev", f"v{self.name}"[:15])
            run("ip", "link", "set", f"v{self.name}"[:15], "up")
            run("ip", "-n", self.name, "addr", "add", f"{self.THEIRS}/30", "dev", "eth0")
            run("ip", "-n", self.name, "link", "set", "lo", "up")
            run("ip", "-n", self.name, "link", "set", "eth0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        run("ip", "netns", "del", self.name)  # its end of the cable goes with it, and so does ours

    @property
    def inside(self) -> Sequence[str]:
        """What a command is to be run by."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        for chain in ("INPUT", "OUTPUT"):
            run(*self.inside, "iptables", "-A", chain, "-j", "DROP")

    def mend(self) -> None:
        run(*self.inside, "iptables", "-F")


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture
def network() -> Iterator[Network]:
    """Skips where this user may not make one, but not in CI where root runs the tests."""
    try:
        with Network() as network:
            run(*network.inside, "iptables", "-L", "-n")
            yield network
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"no network namespace with iptables: {getattr(error, 'stderr', None) or error}"
        (pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip)(reason)


def test_a_cable_that_is_pulled(test_data: Path, tmp_path: Path, network: Network) -> None:
    require_rtsp_server()
    camera = RtspCamera(wrapper=network.inside, address=network.THEIRS)
    with camera, running(configure(tmp_path / "edged.toml", test_data, camera.url)) as daemon:
        story = Story(daemon, tmp_path / "events.jsonl")
        pulled = time.time()
        network.cut()
        story.await_event("source_lost", 1, pulled, LOST_WITHIN_S)
        mended = time.time()
        network.mend()
        story.await_event("source_back", 1, mended, BACK_WITHIN_S)
        story.check_unharmed()
        assert daemon.stop() == 0
