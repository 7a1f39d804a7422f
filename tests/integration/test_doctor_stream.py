"""The doctor tries a network camera, in a process of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cameras.http_camera import HttpCamera

from edged.daemon.doctor.camera import check_camera
from edged.sources.stream_settings import StreamSettings
from edged.vision.settings import CameraSettings


def watched(url: str) -> CameraSettings:
    return CameraSettings(model="m", stall_after_s=60, stream=StreamSettings(url=url, open_timeout_s=30))


def test_a_camera_that_delivers() -> None:
    with HttpCamera() as camera:
        finding = check_camera("door", watched(camera.url()), [])
        assert (finding.name, finding.status) == ("camera door", "ok")
        assert finding.what == f"http://127.0.0.1:{camera.port} mjpeg, 640 x 480"


def test_a_camera_that_does_not_says_why_and_what_to_do() -> None:
    with HttpCamera(auth="digest", user="me", password="hunter2") as camera:
        finding = check_camera("door", watched(camera.url()), [])
        assert finding.status == "fail"
        assert "401" in finding.what
        assert "password" in finding.fix


def test_a_credential_of_the_unit_is_not_ours_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    settings = watched("rtsp://camera/x")
    assert settings.stream
    settings = replace(settings, stream=replace(settings.stream, username="me", password_credential="door"))
    assert check_camera("door", settings, []).status == "skip"
