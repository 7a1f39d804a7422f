"""Real device nodes: those that are no cameras on any machine, and a camera where there is one (``modprobe vivid`` makes one)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edged.core.errors import CameraLost, SourceUnusable
from edged.sources.devices import list_cameras
from edged.sources.open import open_source
from edged.sources.settings import SourceSettings, V4l2Settings


def open_device(device: int | str) -> None:
    open_source("door", SourceSettings(v4l2=V4l2Settings(device=device))).close()


@pytest.mark.parametrize("device", [63_000, "/dev/v4l/by-id/usb-none-video-index0"])
def test_absent_camera_may_come_back(device: int | str) -> None:
    with pytest.raises(CameraLost, match="No such file") as caught:
        open_device(device)
    assert "v4l2-ctl --list-devices" in caught.value.hint


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_other_devices_are_no_cameras(device: str) -> None:
    with pytest.raises(SourceUnusable, match=f"{device} is no Video4Linux device"):
        open_device(device)


def test_regular_file_is_no_camera(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    with pytest.raises(SourceUnusable, match="is no device"):
        open_device(str(path))


@pytest.mark.skipif(os.geteuid() == 0 or not Path("/dev/mem").exists(), reason="root may open anything; or nothing is forbidden")
def test_forbidden_device_names_the_group() -> None:
    with pytest.raises(CameraLost, match="permission denied") as caught:
        open_device("/dev/mem")
    assert "group `video`" in caught.value.hint


@pytest.mark.skipif(not any(camera.accessible for camera in list_cameras()), reason="no camera on this machine")
def test_real_camera_delivers_frames_stamped_on_our_clock() -> None:
    camera = next(camera for camera in list_cameras() if camera.accessible)
    before_ns = time.monotonic_ns()
    with open_source("door", SourceSettings(v4l2=V4l2Settings(device=str(camera.device)))) as source:
        frames = [source.read() for _ in range(3)]
        assert all(frame is not None for frame in frames)
        taken = [frame for frame in frames if frame is not None]
        assert {(frame.width, frame.height) for frame in taken} == {(source.info.width, source.info.height)}
        times = [frame.captured_ns for frame in taken]
    assert times == sorted(set(times))
    assert before_ns <= times[0] <= time.monotonic_ns()
