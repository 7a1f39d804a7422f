"""Troubles of network cameras, produced by servers that have them, and recognised."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from authority import Authority
from cameras.http_camera import HttpCamera
from troubles import produces

from edged.daemon.doctor.camera import check_camera
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.stream import ATTEMPT, check_stream
from edged.sources.picture_settings import PictureSettings
from edged.sources.stream_settings import StreamSettings
from edged.vision.settings import CameraSettings

PATIENT_S = 30


def watched(url: str, **more: Any) -> CameraSettings:
    stream = StreamSettings(url=url, **{"open_timeout_s": PATIENT_S, **more})
    return CameraSettings(model="m", stall_after_s=60, stream=stream)


def seen(url: str, **more: Any) -> Finding:
    return check_camera("door", watched(url, **more), ())


@contextmanager
def answering(status: int, body: bytes = b"") -> Iterator[str]:
    """The address of a server that answers so, whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/live"
        server.shutdown()
        thread.join()


@produces("stream-host-unknown")
def test_a_name_that_no_host_can_have() -> Finding:
    return seen(f"rtsp://{'x' * 70}.lan/live")


@produces("stream-unreachable")
def test_a_machine_without_a_network(mounting: list[str]) -> Finding:
    settings = watched("rtsp://127.0.0.1:8554/live")
    assert settings.stream
    return check_stream("camera door", settings, settings.stream, (*mounting, "--net", *ATTEMPT))


@produces("stream-silent")
def test_a_camera_that_takes_the_connection_and_says_nothing() -> Finding:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return seen(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live", open_timeout_s=1)


@produces("stream-connection-refused")
def test_a_port_on_which_nobody_listens() -> Finding:
    with socket.socket() as bound:  # bound and not listening: the port is ours, and refuses
        bound.bind(("127.0.0.1", 0))
        return seen(f"rtsp://127.0.0.1:{bound.getsockname()[1]}/live")


@produces("stream-login-refused")
def test_a_wrong_password(tmp_path: Path) -> Finding:
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text("wrong")
    with HttpCamera(auth="digest", user="me", password="right") as camera:
        finding = seen(camera.url(), username="me", password_file=tmp_path / "password")
    assert "wrong" not in finding.what
    return finding


@produces("stream-forbidden")
def test_an_account_without_the_right_to_view() -> Finding:
    with answering(403) as url:
        return seen(url)


@produces("stream-path-unknown")
def test_a_wrong_path() -> Finding:
    with HttpCamera() as camera:
        return seen(camera.url("/Streaming/Channels/101"))


@produces("stream-no-video")
def test_the_web_page_of_a_camera() -> Finding:
    with answering(200, b"<html><body>Please log in</body></html>") as url:
        return seen(url)


@produces("stream-untrusted")
def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> Finding:
    certificate, key = Authority(tmp_path / "own").issue("camera", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HttpCamera(tls=context) as camera:
        return seen(camera.url(), ca_file=Authority(tmp_path / "other").certificate)


@produces("stream-faulty")
def test_a_camera_that_boots() -> Finding:
    with answering(503) as url:
        return seen(url)


@produces("stream-unusable")
def test_a_crop_that_leaves_nothing() -> Finding:
    with HttpCamera() as camera:
        stream = StreamSettings(url=camera.url(), open_timeout_s=PATIENT_S)
        picture = PictureSettings(crop=(0.0, 0.0, 0.01, 0.01))
        return check_camera("door", CameraSettings(model="m", stall_after_s=60, stream=stream, picture=picture), ())


@produces("stream-crashes")
def test_a_stream_that_kills_its_decoder() -> Finding:
    settings = watched("rtsp://127.0.0.1:8554/live")
    assert settings.stream
    return check_stream("camera door", settings, settings.stream, (sys.executable, "-c", "import os; os.abort()"))
