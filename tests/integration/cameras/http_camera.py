"""A network camera that speaks HTTP: MJPEG by multipart, and files (HLS playlists and their segments)."""

from __future__ import annotations

import base64
import hashlib
import ssl
import threading
from contextlib import suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.request import parse_http_list, parse_keqv_list

import av
import cv2
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from cameras import barcode

REALM, NONCE = "camera", "dcd98b7102dd2f0e"
SAMPLES_PER_S = 48000
AHEAD_MS = 100
"""Of sound before pictures, since a muxer keeps back what may still be overtaken: with it pictures leave at once."""

MIME_TYPES = {"mpegts": "video/mp2t", "flv": "video/x-flv"}
Auth = Literal["basic", "digest"]


class HttpCamera:
    """Serves until the end of its ``with``: /mjpeg, /mpegts and /flv at ``fps``, and what lies in ``directory``.

    With ``auth`` every path wants ``user`` and ``password``; with ``sound`` /mpegts and /flv have a track of it.
    ``size`` may be changed while it serves, and ``silent`` set to hold
    back frames. ``asked`` lists the paths that were asked for; ``picture`` is the JPEG to send instead of the
    clock.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        fps: float = 25,
        sound: bool = False,
        auth: Auth | None = None,
        user: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.size = (640, 480)
        self.picture: bytes | None = None
        self.asked: list[str] = []
        self.silent = threading.Event()
        self._directory, self._auth, self._user, self._password = directory, auth, user, password
        self._period_s = 1 / fps
        self._sound = sound
        self._leaving = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._answer(self)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def url(self, path: str = "/mjpeg") -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leaving.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()  # waits for the threads of the connections

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        if self._auth and not self._admits(request):
            request.send_response(401)
            challenge = (
                f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth"' if self._auth == "digest" else f'Basic realm="{REALM}"'
            )
            request.send_header("WWW-Authenticate", challenge)
            request.end_headers()
            return
        name = request.path.split("?")[0].lstrip("/")
        if name == "mjpeg":
            self._stream(request)
        elif name in MIME_TYPES:
            self._mux(request, name)
        elif self._directory is not None and (self._directory / name).is_file():
            content = (self._directory / name).read_bytes()
            request.send_response(200)
            request.send_header("Content-Type", "application/vnd.apple.mpegurl" if content.startswith(b"#EXTM3U") else "video/mp2t")
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)
        else:
            request.send_error(404)

    def _stream(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        with suppress(OSError):  # the viewer left
            while not self._leaving.wait(self._period_s):
                if not self.silent.is_set():
                    request.wfile.write(part(self.picture or jpeg(drawn(self.size))))

    def _mux(self, request: BaseHTTPRequestHandler, container: str) -> None:
        """H.264 in ``container``, from its first picture on."""
        request.send_response(200)
        request.send_header("Content-Type", MIME_TYPES[container])
        request.end_headers()
        width, height = self.size
        with suppress(OSError), av.open(_Sink(request), "w", format=container, options={"flush_packets": "1"}) as out:
            video = out.add_stream("libx264", rate=round(1 / self._period_s))
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            video.options = {"g": "25", "preset": "ultrafast", "tune": "zerolatency", "sliced-threads": "0", "threads": "1"}
            video.codec_context.time_base = Fraction(1, 1000)
            microphone = Microphone(out) if self._sound else None
            while not self._leaving.wait(self._period_s):
                if microphone:
                    microphone.send(barcode.now())
                at = barcode.now()
                picture = av.VideoFrame.from_ndarray(drawn(self.size, at), format="bgr24")
                picture.pts, picture.time_base = at, video.codec_context.time_base
                out.mux(video.encode(picture))

    def _admits(self, request: BaseHTTPRequestHandler) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if self._auth == "basic":
            return scheme == "Basic" and base64.b64decode(given).decode() == f"{self._user}:{self._password}"
        if scheme != "Digest":
            return False
        fields = parse_keqv_list(parse_http_list(given))
        secret = _md5(f"{self._user}:{REALM}:{self._password}")
        asked = _md5(f"{request.command}:{fields['uri']}")
        expected = _md5(":".join((secret, NONCE, fields["nc"], fields["cnonce"], "auth", asked)))
        return fields["username"] == self._user and fields["response"] == expected


class Microphone:
    """Silence in ``out``, a muxer: more than one packet for each picture."""

    def __init__(self, out: OutputContainer) -> None:
        self._out = out
        self._track = out.add_stream("aac", rate=SAMPLES_PER_S, layout="mono")
        self._sent = 0
        self._begin_ms: int | None = None

    def send(self, at_ms: int) -> None:
        """What leaves before the picture of ``at_ms``."""
        begin_ms = self._begin_ms = at_ms if self._begin_ms is None else self._begin_ms
        while self._sent < (at_ms + AHEAD_MS - begin_ms) * SAMPLES_PER_S // 1000:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            samples.sample_rate, samples.time_base = SAMPLES_PER_S, Fraction(1, SAMPLES_PER_S)
            samples.pts = begin_ms * SAMPLES_PER_S // 1000 + self._sent
            self._sent += samples.samples
            self._out.mux(self._track.encode(samples))


def jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def part(picture: bytes) -> bytes:
    """A JPEG as a part of a multipart document."""
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
    return head.encode() + picture + b"\r\n"


def drawn(size: tuple[int, int], at: int | None = None) -> NDArray[np.uint8]:
    """A picture that carries the clock, or that it was ``at``, uint8 (height, width, 3)."""
    width, height = size
    row = np.frombuffer(barcode.row(barcode.now() if at is None else at, width), np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


class _Sink:
    """What a muxer writes into: the answer to ``request``."""

    def __init__(self, request: BaseHTTPRequestHandler) -> None:
        self._request = request

    def write(self, data: bytes) -> int:
        self._request.wfile.write(data)
        return len(data)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
