"""The CSI camera, on stand-ins for picamera2 and libcamera that refuse what the real ones refuse."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edged.core.errors import CameraLost, SourceUnusable
from edged.sources.base import FrameSource
from edged.sources.libcamera import BUFFERS, LibcameraCamera, list_libcamera, sensor_time_ns
from edged.sources.open import open_source
from edged.sources.picture_settings import PictureSettings
from edged.sources.settings import LibcameraSettings, SourceSettings
from edged.testing.picamera2 import AGE_NS, AfModeEnum, AwbModeEnum, Sensor, modules
from edged.vision.capture import Capture, Down, Up
from edged.vision.mailbox import Bell
from edged.vision.settings import CameraSettings

RED = np.zeros((48, 64, 3), np.uint8)
RED[:, :, 0] = 200
RED[:, :32, 1] = 50  # the left half is a little green
SIZE = {"width": 64, "height": 48}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch):
    def connect(*sensors: Sensor) -> Sensor:
        for name, module in modules(list(sensors)).items():
            monkeypatch.setitem(sys.modules, name, module)
        return sensors[0]

    return connect


def opened(picture: PictureSettings | None = None, **settings: object) -> FrameSource:
    libcamera = LibcameraSettings(**{**SIZE, **settings})  # type: ignore[arg-type]
    return open_source("door", SourceSettings(libcamera=libcamera, picture=picture), 5)


def open_fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_frames_are_blue_green_red_numbered_and_timed(connect) -> None:
    sensor = connect(Sensor([RED] * 20))
    with opened() as source:
        assert (source.info.width, source.info.height, source.info.fps, source.info.live) == (64, 48, 30.0, True)
        assert source.info.description == "libcamera camera 0 (imx708) 64x48 at 30 fps"
        frames = [source.read() for _ in range(20)]  # many more than there are buffers
    assert [frame.seq for frame in frames if frame] == list(range(5, 25))
    assert frames[0] is not None
    assert frames[0].image[0, 0].tolist() == [0, 50, 200]
    assert frames[0].media_ns is None
    assert 0 < time.monotonic_ns() - frames[0].captured_ns - AGE_NS < 30_000_000_000
    assert not sensor.busy


def test_flips_and_the_pictures_own_turn_are_both_done(connect) -> None:
    connect(Sensor([RED] * 2))
    with opened(hflip=True) as source:
        assert (frame := source.read()) is not None
        assert frame.image[0, -1].tolist() == [0, 50, 200]
    connect(Sensor([RED] * 2))
    with opened(PictureSettings(rotate=90), vflip=True) as source:
        assert (frame := source.read()) is not None
        assert frame.image.shape == (64, 48, 3)
        assert frame.image[0, 0].tolist() == [0, 50, 200]


def test_left_out_frames_are_given_back_without_a_copy(connect) -> None:
    sensor = connect(Sensor([RED] * 3 * BUFFERS))
    with opened(PictureSettings(every=2 * BUFFERS)) as source:
        assert [frame.seq for frame in (source.read(), source.read()) if frame] == [5, 6]
    assert len(list(sensor.frames)) == BUFFERS - 1


def test_settings_become_the_controls_they_are_named_after(connect) -> None:
    sensor = connect(Sensor([RED]))
    with opened(fps=12.5, exposure_us=8000, gain=2.5, awb="daylight", focus=0.5, sensor_mode=(2304, 1296)):
        pass
    assert sensor.set_controls == {
        "FrameDurationLimits": (80_000, 80_000),
        "ExposureTime": 8000,
        "AnalogueGain": 2.5,
        "AwbMode": AwbModeEnum.Daylight,
        "AfMode": AfModeEnum.Manual,
        "LensPosition": 0.5,
    }
    assert sensor.configuration["raw"]["size"] == (2304, 1296)
    with opened(focus="continuous"):
        assert sensor.set_controls["AfMode"] is AfModeEnum.Continuous
    with opened():
        assert set(sensor.set_controls) == {"FrameDurationLimits"}


def test_says_what_the_camera_answered_with(connect) -> None:
    connect(Sensor([RED], size=(1920, 1080), fastest_us=20_000))
    with opened(width=4001, height=3000, fps=120) as source:
        assert (source.info.width, source.info.height, source.info.fps) == (1920, 1080, 50.0)
        assert source.info.description.endswith("1920x1080 at 50 fps (asked for 4001x3000)")


def test_a_control_that_the_camera_lacks_is_named_and_the_camera_let_go(connect) -> None:
    sensor = connect(Sensor([RED], controls={"FrameDurationLimits"}))
    with pytest.raises(SourceUnusable, match=r"camera 0 \(imx708\) has no control AfMode, LensPosition"):
        opened(focus=1.0)
    assert not sensor.busy


def test_a_silent_camera_is_lost_within_a_bound_and_comes_back(connect) -> None:
    sensor = connect(Sensor([RED, None, RED, RED]))
    with opened() as source:
        assert source.read() is not None
        with pytest.raises(CameraLost, match=r"camera 0 \(imx708\): no frame in 2 s") as caught:
            source.read()
        assert "ribbon" in caught.value.hint
        assert source.read() is not None  # no job of before took the next frame
        assert len(list(sensor.frames)) == 1
    with opened() as source:
        assert source.read() is not None
    assert sensor.opened == 2


def test_a_camera_that_is_slow_to_begin_is_waited_for(connect) -> None:
    sensor = connect(Sensor([None, None, None, RED, RED]))
    with opened() as source:
        assert source.read() is not None
        assert len(list(sensor.frames)) == 1
    connect(Sensor([None, None, None, None, RED]))
    with opened() as source, pytest.raises(CameraLost, match="no frame in 8 s"):
        source.read()


def test_a_busy_camera_says_so_and_many_tries_leave_nothing_open(connect) -> None:
    sensor = connect(Sensor([RED], busy=True))
    before = open_fds()
    for _ in range(20):
        with pytest.raises(CameraLost, match="Device or resource busy") as caught:
            opened()
    assert "stop" in caught.value.hint
    assert open_fds() <= before
    sensor.busy = False
    with opened() as source:
        assert source.read() is not None
    assert open_fds() <= before


def test_a_capture_thread_mends_a_silent_camera(connect) -> None:
    sensor = connect(Sensor([RED, RED, None, RED, RED]))
    settings = CameraSettings(model="m", libcamera=LibcameraSettings(**SIZE), reopen_min_s=0.001, reopen_max_s=0.002)  # type: ignore[arg-type]
    bell = Bell()
    capture = Capture("door", settings, bell, open_source, every=True)
    capture.start()
    seqs: list[int] = []
    while len(seqs) < 4:
        if (frame := capture.mailbox.take()) is not None:
            seqs.append(frame.seq)
        else:
            bell.wait(60)
    capture.stop()
    capture.join(60)
    assert seqs == [0, 1, 2, 3]
    assert [type(notice) for notice in capture.notices][:3] == [Up, Down, Up]
    assert not sensor.busy


@pytest.mark.parametrize(("wanted", "found"), [(1, "imx219"), ("/base/soc/i2c0mux/i2c@0/imx219@10", "imx219"), (0, "imx708")])
def test_a_camera_is_found_by_index_or_id(connect, wanted: int | str, found: str) -> None:
    connect(Sensor([RED]), Sensor([RED], id="/base/soc/i2c0mux/i2c@0/imx219@10", model="imx219"))
    with opened(camera=wanted) as source:
        assert f"({found})" in source.info.description


def test_an_absent_camera_is_lost_and_those_that_are_there_are_named(connect) -> None:
    connect(Sensor([RED]), Sensor([], id="/base/soc/usb@7/1-1:1.0-046d:0825", model="C270"))
    assert list_libcamera() == (LibcameraCamera(0, "/base/soc/i2c0mux/i2c@1/imx708@1a", "imx708"),)
    for wanted in (1, "imx219"):
        with pytest.raises(CameraLost, match=rf"no camera {wanted}, only 0 \(imx708\)"):
            opened(camera=wanted)


def test_without_picamera2_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setitem(sys.modules, "libcamera", ModuleType("libcamera"))
    with pytest.raises(SourceUnusable, match="need picamera2") as caught:
        opened()
    assert "apt install python3-picamera2" in caught.value.hint
    assert "--system-site-packages" in caught.value.hint


def test_the_systems_picamera2_beside_a_newer_numpy_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "libcamera.py").touch()
    (tmp_path / "picamera2.py").write_text("raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')")
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    monkeypatch.delitem(sys.modules, "libcamera", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SourceUnusable, match=r"numpy\.dtype size changed") as caught:
        opened()
    assert "simplejpeg" in caught.value.hint
    monkeypatch.delitem(sys.modules, "libcamera", raising=False)


def test_times_of_either_clock_are_understood() -> None:
    for clock in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC):
        found = sensor_time_ns(time.clock_gettime_ns(clock) - 100_000_000)
        assert 0 <= time.monotonic_ns() - found - 100_000_000 < 30_000_000_000
    for nonsense in (0, -1, 1 << 62):
        before = time.monotonic_ns()
        assert before <= sensor_time_ns(nonsense) <= time.monotonic_ns()
