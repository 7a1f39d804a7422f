"""Reading a camera whose driver is played by a fake ``cv2.VideoCapture``: what a real one does wrong cannot be had on demand."""

from __future__ import annotations

import threading
from collections import deque
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edged.core.cv import cv2
from edged.core.errors import CameraLost
from edged.sources import v4l2
from edged.sources.base import FIRST_WAITS
from edged.sources.picture_settings import PictureSettings
from edged.sources.settings import V4l2Settings
from edged.sources.thinning import Thinning
from edged.sources.v4l2 import MAX_UNDECODABLE, SILENT_S, V4l2Source, capture_time_ns, device_path
from edged.sources.viewed import ViewedSource

NOW_NS = 10**15


class Driver:
    """Answers with the sizes it has; ``reads`` holds "ok", "damaged", "error" or "raise" for each frame."""

    def __init__(self, reads: list[str], size: tuple[int, int] = (1280, 720), fps: float = 30.0) -> None:
        self.reads = deque(reads)
        self.asked: list[tuple[int, float]] = []
        self.grabs = 0
        self.released = False
        self.answers = {
            cv2.CAP_PROP_FRAME_WIDTH: float(size[0]),
            cv2.CAP_PROP_FRAME_HEIGHT: float(size[1]),
            cv2.CAP_PROP_FPS: fps,
            cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"MJPG")),
        }

    def grab(self) -> bool:
        self.grabs += 1
        if self.reads[0] == "raise":
            raise cv2.error("driver")
        return self.reads[0] != "error"

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        return (True, np.zeros((720, 1280, 3), np.uint8)) if self.reads.popleft() == "ok" else (False, None)

    def get(self, propId: int) -> float:  # noqa: N803
        return self.answers.get(propId, 0.0)

    def set(self, propId: int, value: float) -> bool:  # noqa: N803
        self.asked.append((propId, value))
        return True

    def release(self) -> None:
        self.released = True


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "video0"
    path.touch()
    return path


def source(driver: Driver, node: Path, first_seq: int = 0, **settings: object) -> V4l2Source:
    return V4l2Source("door", driver, node, V4l2Settings(device=0, **settings), first_seq)  # type: ignore[arg-type]


def test_reports_what_the_camera_gave_and_what_was_asked(node: Path) -> None:
    driver = Driver([])
    info = source(driver, node, width=1920, height=1080, fps=60, pixel_format="MJPG").info
    assert (info.width, info.height, info.fps, info.live) == (1280, 720, 30.0, True)
    assert info.description == f"{node} 1280x720 MJPG at 30 fps (asked for 1920x1080)"
    asked = [prop for prop, _ in driver.asked]
    assert asked.index(cv2.CAP_PROP_FOURCC) < asked.index(cv2.CAP_PROP_FRAME_WIDTH)  # the sizes depend on the format
    assert dict(driver.asked)[cv2.CAP_PROP_FRAME_WIDTH] == 1920


def test_leaves_the_format_to_the_driver_and_knows_no_rate(node: Path) -> None:
    driver = Driver([], fps=-1.0)
    info = source(driver, node, width=1280, height=720).info
    assert cv2.CAP_PROP_FOURCC not in dict(driver.asked)
    assert (info.fps, info.description) == (0.0, f"{node} 1280x720 MJPG")


def test_frames_are_counted_and_live(node: Path) -> None:
    with source(Driver(["ok", "damaged", "ok"]), node, first_seq=40) as camera:
        frames = [camera.read(), camera.read()]
    assert [frame and (frame.seq, frame.media_ns, frame.width) for frame in frames] == [(40, None, 1280), (41, None, 1280)]


def test_frames_that_are_left_out_are_not_decoded(node: Path) -> None:
    driver = Driver(["ok", "damaged", "ok"])  # one for each that is decoded
    settings = PictureSettings(every=3)
    with ViewedSource(source(driver, node), settings, "door", 0) as camera:
        assert camera.info.fps == 10.0
        assert camera.info.description.endswith("thinned to 10 fps")
        assert [frame and frame.seq for frame in (camera.read(), camera.read())] == [0, 1]
    assert driver.grabs == 7  # of the third that is wanted the picture is damaged
    assert not driver.reads


def test_closing_ends_a_wait_for_the_next_wanted_frame(node: Path) -> None:
    driver = Driver(["ok", "ok"])
    camera = source(driver, node)
    camera.thin(Thinning(every=1, max_fps=0.001))
    assert camera.read() is not None
    reader = threading.Thread(target=camera.read)
    reader.start()
    while driver.grabs < 10 and reader.is_alive():
        pass
    camera.close()
    reader.join(timeout=60)
    assert not reader.is_alive()
    assert driver.released


class Sleepy(Driver):
    """Lets OpenCV's time-out pass where it reads "silent"."""

    def grab(self) -> bool:
        if self.reads[0] != "silent":
            return super().grab()
        self.reads.popleft()
        self.waits += 1
        threading.Event().wait(SILENT_S + 0.01)
        return False

    waits = 0


def test_a_camera_that_is_slow_to_begin_is_waited_for_but_only_then(node: Path) -> None:
    driver = Sleepy(["silent", "silent", "ok", "silent", "ok"])
    with source(driver, node) as camera:
        assert camera.read() is not None
        assert driver.waits == 2
        with pytest.raises(CameraLost, match=r"no frame in \d+\.\d s"):
            camera.read()
        assert driver.waits == 3


def test_a_camera_that_never_begins_is_lost(node: Path) -> None:
    driver = Sleepy(["silent"] * (FIRST_WAITS + 1))
    with source(driver, node) as camera, pytest.raises(CameraLost, match=r"no frame in \d+\.\d s"):
        camera.read()
    assert driver.waits == FIRST_WAITS


def test_what_is_left_out_is_heard(node: Path) -> None:
    heard = []

    class Telling(Driver):
        def grab(self) -> bool:
            heard.append(camera.heard_ns)
            return super().grab()

    with ViewedSource(source(Telling(["ok", "ok"], fps=0), node), PictureSettings(every=4), "door", 0) as camera:
        assert camera.read() is not None
        assert camera.read() is not None
    assert heard[0] == 0
    assert all(earlier < later for earlier, later in pairwise(heard))
    assert len(heard) == 5


@pytest.mark.parametrize("reads", [["error"], ["raise"], ["damaged"] * MAX_UNDECODABLE])
def test_loss_says_where_and_what_to_look_at(node: Path, reads: list[str]) -> None:
    driver = Driver(reads)
    with source(driver, node) as camera, pytest.raises(CameraLost, match=str(node)) as caught:
        camera.read()
    assert "power" in caught.value.hint
    assert driver.released


@pytest.mark.parametrize("late", [False, True])
def test_unplugged_camera_is_told_from_a_broken_one(node: Path, late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2, "NODE_GOES_S", 20.0)  # for a thread that waits for a processor
    camera = source(Driver(["error"]), node)
    unplugging = threading.Timer(0.05 * late, node.unlink)
    unplugging.start()
    with pytest.raises(CameraLost, match="is gone"):
        camera.read()
    unplugging.join()


def test_capture_time_is_the_drivers_if_it_is_on_our_clock() -> None:
    assert capture_time_ns((NOW_NS - 30_000_000) / 1e6, NOW_NS) == NOW_NS - 30_000_000
    assert capture_time_ns(0.0, NOW_NS) == NOW_NS  # not filled in
    assert capture_time_ns(1.7e12, NOW_NS) == NOW_NS  # wall clock
    assert capture_time_ns((NOW_NS - 60_000_000_000) / 1e6, NOW_NS) == NOW_NS  # a minute old
    assert capture_time_ns((NOW_NS + 1_000_000) / 1e6, NOW_NS) == NOW_NS  # the future


def test_device_by_number_or_path() -> None:
    assert device_path(2) == Path("/dev/video2")
    assert device_path("/dev/v4l/by-id/usb-x") == Path("/dev/v4l/by-id/usb-x")
