"""The V4L2 source on cameras of the kernel. Runs in the guest of ``scripts/vm v4l2``, whose init says which nodes there are."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vivid import control, silent, unplugged

from edged.core.errors import CameraLost, SourceUnusable
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.devices import list_cameras
from edged.sources.open import open_source
from edged.sources.settings import SourceSettings, V4l2Settings

CAMERA, PLANES, SCREEN, METADATA = (Path(f"/dev/video{number}") for number in range(4))
NOBODY = 65534
SELECT_S = 2
"""edged.core.cv's time-out for a camera that is silent."""


def open_camera(device: Path = CAMERA, first_seq: int = 0, **settings: Any) -> FrameSource:
    asked = {"width": 320, "height": 180, **settings}
    return open_source("door", SourceSettings(v4l2=V4l2Settings(device=str(device), **asked)), first_seq)


def read(source: FrameSource) -> Frame:
    frame = source.read()
    assert frame is not None
    return frame


def read_until_lost(source: FrameSource, within_s: float) -> CameraLost:
    """The loss, after at most the frames that the driver still held."""
    began = time.monotonic()
    with pytest.raises(CameraLost) as caught:
        for _ in range(4):
            began = time.monotonic()
            read(source)
    assert time.monotonic() - began < within_s
    return caught.value


def doctor(**options: Any) -> Any:
    done = subprocess.run([sys.executable, "-m", "edged", "doctor", "--json"], stdout=subprocess.PIPE, check=False, **options)
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}["cameras"]


@pytest.fixture
def camera() -> Iterator[FrameSource]:
    with open_camera() as source:
        read(source)
        yield source


def test_lists_what_captures_and_nothing_else() -> None:
    assert [(c.device, c.name, c.accessible) for c in list_cameras()] == [(CAMERA, "vivid", True), (PLANES, "vivid", True)]
    for device in (SCREEN, METADATA):
        with pytest.raises(SourceUnusable, match=rf"{device} \(vivid\) captures no pictures"):
            open_camera(device)


def test_doctor_names_the_cameras_and_tells_whom_they_are_shut_to() -> None:
    assert doctor()["what"] == "/dev/video0 (vivid), /dev/video1 (vivid)"
    shut = doctor(user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
    assert shut["status"] == "fail"
    assert shut["what"] == "/dev/video0 (vivid-000-vid-cap), /dev/video1 (vivid-001-vid-cap): no permission to open"
    assert "group video" in shut["fix"]


@pytest.mark.parametrize("device", [CAMERA, PLANES])
def test_frames_are_numbered_stamped_and_move(device: Path) -> None:
    before_ns = time.monotonic_ns()
    with open_camera(device, first_seq=7) as source:
        frames = [read(source) for _ in range(10)]
        after_ns = time.monotonic_ns()
    assert [frame.seq for frame in frames] == list(range(7, 17))
    assert {(frame.image.shape, frame.image.dtype, frame.media_ns) for frame in frames} == {
        ((180, 320, 3), np.dtype(np.uint8), None)
    }
    times = [before_ns, *(frame.captured_ns for frame in frames), after_ns]
    assert times == sorted(set(times))
    assert all((a.image != b.image).any() for a, b in pairwise(frames))  # a counter runs in the picture


def test_the_drivers_own_timestamp_is_used(camera: FrameSource) -> None:
    time.sleep(0.5)  # the reader is late: the driver has filled its buffers meanwhile, and waits
    assert time.monotonic_ns() - read(camera).captured_ns > 100_000_000


@pytest.mark.parametrize(
    ("asked", "size", "fps", "description"),
    [
        ({}, (320, 180), 30, "320x180 BGR3 at 30 fps"),
        ({"fps": 1}, (320, 180), 1, "320x180 BGR3 at 1 fps"),
        ({"width": 640, "height": 360, "fps": 15, "pixel_format": "YUYV"}, (640, 360), 15, "640x360 YUYV at 15 fps"),
        ({"width": 1280, "height": 720}, (1280, 720), 12.5, "1280x720 BGR3 at 12.5 fps"),
        ({"width": 600, "height": 400, "fps": 25}, (640, 360), 25, "640x360 BGR3 at 25 fps (asked for 600x400)"),
        ({"pixel_format": "MJPG"}, (320, 180), 30, "320x180 BGR3 at 30 fps (asked for MJPG)"),
    ],
)
def test_what_is_asked_for_is_negotiated(asked: dict[str, Any], size: tuple[int, int], fps: float, description: str) -> None:
    with open_camera(**asked) as source:
        frame = read(source)
        assert (source.info.width, source.info.height) == (frame.width, frame.height) == size
        assert (source.info.fps, source.info.live) == (fps, True)
        assert source.info.description == f"{CAMERA} {description}"
        for _ in range(2):
            read(source)
        # What the driver delivers is what it promised: three buffers in a row, by its own clock.
        times = [read(source).captured_ns for _ in range(3)]
    assert (times[2] - times[0]) / 2e9 >= 0.9 / fps


@pytest.mark.parametrize("fault", ["disconnect", "inject_fatal_streaming_error"])
def test_broken_stream_is_a_loss_at_once_and_mended_by_opening_again(camera: FrameSource, fault: str) -> None:
    control(CAMERA, **{fault: 1})
    error = read_until_lost(camera, within_s=SELECT_S)
    assert error.message == f"{CAMERA}: stopped with an error"
    assert "power" in error.hint
    camera.close()
    with open_camera(first_seq=40) as again:
        assert read(again).seq == 40


def test_silent_camera_is_lost_after_the_time_out(camera: FrameSource) -> None:
    with silent(CAMERA):
        error = read_until_lost(camera, within_s=2 * SELECT_S)
        assert error.message.startswith(f"{CAMERA}: no frame in 2.")
    read(camera)


@pytest.mark.parametrize("fault", ["inject_vidioc_streamon_error", "inject_vidioc_qbuf_error"])
def test_camera_that_does_not_start_is_lost_and_starts_the_next_time(fault: str) -> None:
    control(CAMERA, **{fault: 1})
    with open_camera() as source, pytest.raises(CameraLost, match="stopped with an error"):
        read(source)
    with open_camera() as source:
        read(source)


def test_camera_in_use_names_who_holds_it(camera: FrameSource) -> None:
    with pytest.raises(CameraLost, match=rf"{CAMERA} cannot be opened, it is held by python3 \(pid \d+\)") as caught:
        open_camera()
    assert f"fuser -v {CAMERA}" in caught.value.hint
    read(camera)  # who came first is not disturbed
    camera.close()
    with open_camera() as source:
        read(source)


def test_unplugged_camera_is_gone_and_comes_back(camera: FrameSource) -> None:
    with unplugged():
        assert read_until_lost(camera, within_s=SELECT_S).message == f"{CAMERA} is gone"
        camera.close()
        with pytest.raises(CameraLost, match="No such file"):
            open_camera()
        assert list_cameras() == ()
    with open_camera() as source:
        read(source)
