"""Troubles of cameras that are plugged in, of recordings and of secrets, produced and recognised."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest
from troubles import produces, shown_to_all, somebody

from edged.daemon.doctor.camera import check_camera, check_devices
from edged.daemon.doctor.finding import Finding
from edged.sources.devices import V4l2Camera, list_cameras
from edged.sources.settings import FileSettings, LibcameraSettings, V4l2Settings
from edged.sources.stream_settings import StreamSettings
from edged.vision.settings import CameraSettings


def plugged_in(root: Path) -> Path:
    """A capture device as the kernel shows it below ``root``; its node is only a file."""
    node = root / "sys/class/video4linux/video0"
    node.mkdir(parents=True)
    (node / "index").write_text("0\n")
    (node / "name").write_text("Webcam C270\n")
    device = root / "dev/video0"
    device.parent.mkdir()
    device.touch()
    return device


def configured(device: Path) -> CameraSettings:
    return CameraSettings(model="m", v4l2=V4l2Settings(device=str(device)))


@produces("cameras-none")
def test_no_camera_at_all(tmp_path: Path) -> Finding:
    return check_devices(list_cameras(tmp_path))


@produces("camera-absent")
def test_a_camera_that_was_unplugged(tmp_path: Path) -> Finding:
    return check_camera("door", configured(tmp_path / "dev/video0"), list_cameras(tmp_path))


@produces("camera-no-permission")
def test_a_camera_of_another_group() -> Finding:
    with shown_to_all() as root:
        device = plugged_in(root)
        device.chmod(0)
        with somebody():
            found = list_cameras(root)
        assert check_devices(found).code == "camera-no-permission"
        return check_camera("door", configured(device), found)


@produces("camera-busy")
def test_a_camera_that_another_program_holds(tmp_path: Path) -> Finding:
    device = plugged_in(tmp_path)
    found = [V4l2Camera(device, None, "Webcam C270", accessible=True)]
    assert check_camera("door", configured(device), found).status == "ok"
    with subprocess.Popen(
        ["sh", "-c", 'exec 3<"$1"; echo held; read answer', "sh", str(device)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        finding = check_camera("door", configured(device), found)
        assert f"(pid {other.pid})" in finding.what
        other.stdin.close()
    return finding


@produces("camera-file-unreadable")
def test_a_recording_that_is_not_there(tmp_path: Path) -> Finding:
    return check_camera("door", CameraSettings(model="m", file=FileSettings(path=tmp_path / "absent.mp4")), ())


@produces("camera-picamera2-missing")
def test_a_csi_camera_without_picamera2() -> Finding:
    if importlib.util.find_spec("picamera2"):
        pytest.skip("picamera2 is here")
    return check_camera("door", CameraSettings(model="m", libcamera=LibcameraSettings()), ())


def with_password(file: Path) -> CameraSettings:
    return CameraSettings(model="m", stream=StreamSettings(url="rtsp://127.0.0.1/", username="me", password_file=file))


@produces("secret-missing")
def test_a_password_file_that_is_not_there(tmp_path: Path) -> Finding:
    return check_camera("door", with_password(tmp_path / "password"), ())


@produces("secret-open-to-others")
def test_a_password_file_that_others_can_read(tmp_path: Path) -> Finding:
    (tmp_path / "password").write_text("hunter2")
    (tmp_path / "password").chmod(0o644)
    finding = check_camera("door", with_password(tmp_path / "password"), ())
    assert "hunter2" not in finding.what + finding.fix
    return finding


@produces("secret-unusable")
def test_a_password_file_that_is_empty(tmp_path: Path) -> Finding:
    (tmp_path / "password").touch(0o600)
    return check_camera("door", with_password(tmp_path / "password"), ())
