"""``edged camera``: what it lists, and the one picture that it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edged.cli.main import main
from edged.core.cv import cv2
from edged.core.errors import CameraLost, OutputUnwritable, SourceUnusable
from edged.core.holders import holders
from edged.sources.devices import V4l2Camera
from edged.sources.info import SourceInfo
from edged.sources.libcamera import LibcameraCamera
from edged.sources.open import open_source
from edged.sources.picture_settings import PictureSettings
from edged.sources.settings import SourceSettings, SyntheticSettings
from edged.testing.picamera2 import Sensor, modules
from edged.testing.source import Deliver, Refuse, Script, Stall
from edged.tooling.cameras import Camera, survey
from edged.tooling.snapshot import SETTLING_NS, take, write

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
ANY = SourceSettings()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "seen.png").write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    path = tmp_path / "edged.toml"
    path.write_text(
        """
        [models.m]
        bundle = "./m"
        [cameras.door]
        model = "m"
        file = { path = "seen.png" }
        picture = { rotate = 90, crop = [0.0, 0.0, 1.0, 0.5], every = 7, masks = [[[0, 0], [1, 0], [1, 0.25], [0, 0.25]]] }
        [cameras.attic]
        model = "m"
        synthetic = { width = 64, height = 64 }
        """
    )
    return path


# The list


def test_every_way_to_read_a_camera_is_listed_with_who_holds_it() -> None:
    webcam = V4l2Camera(Path("/dev/video0"), Path("/dev/v4l/by-id/usb-c920"), "C920", accessible=True)
    nodes = [V4l2Camera(Path(f"/dev/video{number}"), None, "rp1-cfe", accessible=True) for number in (4, 5)]
    csi = LibcameraCamera(0, "/base/imx708@1a", "imx708")
    held = {"/dev/video0": ("edged (pid 8)",), "/dev/video5": ("rpicam-hello (pid 9)",)}
    found = survey(lambda: [webcam, *nodes], lambda: [csi], lambda device: held.get(str(device), ()))
    assert found.cameras == (
        Camera("v4l2", "C920", "/dev/video0", 'v4l2 = { device = "/dev/v4l/by-id/usb-c920" }', True, ("edged (pid 8)",)),
        Camera("libcamera", "imx708", "/base/imx708@1a", "libcamera = { camera = 0 }", True, ()),
        Camera("receiver", "rp1-cfe", "/dev/video4", "", True, ("rpicam-hello (pid 9)",)),
    )
    assert found.libcamera_problem == ""


def test_the_list_goes_on_without_libcamera() -> None:
    def missing() -> list[LibcameraCamera]:
        raise SourceUnusable("no picamera2", hint="install it")

    webcam = V4l2Camera(Path("/dev/video0"), None, "C920", accessible=False)
    found = survey(lambda: [webcam], missing, lambda _: ())
    assert [camera.setting for camera in found.cameras] == ['v4l2 = { device = "/dev/video0" }']
    assert found.libcamera_problem == "no picamera2 (install it)"


def test_list_for_people_and_for_programs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, module in modules([Sensor()]).items():
        monkeypatch.setitem(sys.modules, name, module)
    status, shown, _ = run(capsys, "camera", "list")
    assert status == 0
    assert "imx708" in shown
    assert "libcamera = { camera = 0 }" in shown
    listed = json.loads(run(capsys, "camera", "list", "--json")[1])
    assert {"kind", "name", "place", "setting", "accessible", "held_by"} == set(listed["cameras"][-1])


def test_a_vision_process_is_recognised_as_ours(tmp_path: Path) -> None:
    camera = tmp_path / "camera"
    camera.touch()
    code = "import sys; held = open(sys.argv[2]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "edged.vision", str(camera)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with camera.open():
            assert set(holders(camera)) >= {f"edged (pid {process.pid})"}
            assert any(holder.endswith(f"(pid {os.getpid()})") and not holder.startswith("edged ") for holder in holders(camera))
        process.communicate()


# The picture


def test_a_snapshot_is_what_the_daemon_would_see(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "door.png"
    status, shown, warned = run(capsys, "camera", "snapshot", "door", "--config", config, "-o", path)
    assert (status, warned) == (0, "")
    assert f"{path}: 48x32, {path.stat().st_size:,} bytes" in shown
    assert "turned by 90°, cropped to 48x32, 1 masked" in shown
    picture = cv2.imread(str(path))
    assert not picture[:16].any()
    assert np.array_equal(picture[18:], np.rot90(IMAGE, -1)[18:32])


def test_whole_leaves_out_the_crop_but_not_the_masks(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "door.png"
    assert run(capsys, "camera", "snapshot", "door", "--whole", "--config", config, "-o", path)[0] == 0
    picture = cv2.imread(str(path))
    assert picture.shape == (64, 48, 3)
    assert not picture[:16].any()


def test_a_camera_needs_no_configuration_and_a_name_none_to_be_given(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "camera", "snapshot", "--source", "seen.png")[0] == 0
    assert cv2.imread("seen.jpg").shape == (48, 64, 3)
    assert run(capsys, "camera", "snapshot", "attic", "--config", config)[0] == 0
    assert cv2.imread("attic.jpg").shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dor", "--config", "CONFIG"], 'did you mean "door"'),
        (["--config", "CONFIG"], "has 2 cameras"),
        (["door", "--config", "CONFIG", "-o", "door.gif"], "unknown kind of picture"),
        (["--source", "nowhere.mp4"], "no such file"),
        (["--device", "/dev/null"], "no Video4Linux device"),
        (["--libcamera", "0"], "picamera2"),
    ],
)
def test_what_cannot_be_done_is_said(
    config: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(config.parent)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    status, _, error = run(capsys, "camera", "snapshot", *[str(config) if text == "CONFIG" else text for text in arguments])
    assert status == 1
    assert words in error
    assert not list(config.parent.glob("*.jpg"))


@pytest.mark.parametrize("by", ["own name", "link", "default name", "folder"])
def test_a_snapshot_never_replaces_its_source(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source, link = Path("seen.jpg"), Path("link.jpg")
    source.write_bytes(cv2.imencode(".jpg", IMAGE)[1].tobytes())
    link.symlink_to(source)
    before = source.read_bytes()
    arguments = {
        "own name": ["--source", "seen.jpg", "-o", "seen.jpg"],
        "link": ["--source", "seen.jpg", "-o", "link.jpg"],
        "default name": ["--source", "seen.jpg"],
        "folder": ["--source", ".", "-o", str(tmp_path / "seen.jpg")],
    }[by]
    status, _, error = run(capsys, "camera", "snapshot", *arguments)
    assert status == 1
    assert "is the source itself" in error
    assert "-o" in error
    assert source.read_bytes() == before
    assert link.is_symlink()


@pytest.mark.parametrize("text", ["0", "-1", "nan", "soon", "1e9"])
def test_a_timeout_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(SystemExit):
        main(["camera", "snapshot", "--source", "x.png", f"--timeout={text}"])


def test_a_live_camera_is_given_a_second_to_find_its_exposure() -> None:
    settings = SourceSettings(
        synthetic=SyntheticSettings(width=64, height=64, fps=20, frames=40), picture=PictureSettings(every=50)
    )
    snapshot = take(open_source, "door", settings, timeout_s=60)
    assert snapshot.frame.seq >= SETTLING_NS * 20 // 1_000_000_000 - 1
    assert 0 <= snapshot.age_s < 30


def test_a_camera_that_hangs_is_given_up_and_closed() -> None:
    script = Script([Stall()])
    with pytest.raises(CameraLost, match=r"door: no picture in 0\.2 s"):
        take(script.open, "door", ANY, timeout_s=0.2)
    deadline = time.monotonic() + 30
    while any(thread.name == "snapshot" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_errors_of_the_source_come_through() -> None:
    with pytest.raises(CameraLost, match="held by edged"):
        take(Script([Refuse(CameraLost("held by edged (pid 8)"))]).open, "door", ANY, timeout_s=60)
    with pytest.raises(CameraLost, match="ended before its first picture"):
        take(Script([]).open, "door", ANY, timeout_s=60)


@pytest.mark.parametrize(
    ("image", "words"), [(IMAGE, []), (np.zeros_like(IMAGE), ["nearly black"]), (np.full_like(IMAGE, 99), ["even surface"])]
)
def test_pictures_that_show_nothing_are_warned_of(image: np.ndarray, words: list[str]) -> None:
    recording = SourceInfo(64, 48, 30.0, "script", live=False)
    warnings = take(Script([Deliver(image)], recording).open, "door", ANY, timeout_s=60).warnings()
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))


def test_a_picture_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    frame = take(Script([Deliver(IMAGE)], SourceInfo(64, 48, 30.0, "s", live=False)).open, "door", ANY, timeout_s=60).frame
    with pytest.raises(OutputUnwritable, match="No such file"):
        write(tmp_path / "absent" / "door.jpg", frame)
    (tmp_path / "door.jpg").mkdir()
    with pytest.raises(OutputUnwritable, match="directory"):
        write(tmp_path / "door.jpg", frame)
    assert [entry.name for entry in tmp_path.iterdir()] == ["door.jpg"]
