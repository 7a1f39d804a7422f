"""What can be said about a network camera. Free of numpy: the main process reads it too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

from edged.core.settings import settings
from edged.sources.url import is_playlist, scheme_of, shown, url_problems

HLS_HINT = "over https FFmpeg does not check who sends its parts: take rtsps, or MJPEG, MPEG-TS or FLV, or set tls_verify = false"

HwAccel = Literal["v4l2m2m", "drm", "vaapi", "cuda", "qsv"]


@settings
class StreamSettings:
    """A camera in the network: RTSP, or over HTTP an MJPEG, HLS, MPEG-TS or FLV stream."""

    url: Annotated[str, MinLen(1)]
    """rtsp://, rtsps://, http:// or https://, without credentials. Where a camera wants them in the path or the query, put
    {username} and {password} in their place. A password that has none there is given when the camera asks for it. HLS over
    https wants tls_verify = false."""

    transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP sends pictures. "udp" does not wait for lost packets, and damages the pictures that they belonged to."""

    username: Annotated[str, MinLen(1), MaxLen(255)] | None = None
    """User name to log in with, by whichever way the camera asks for: basic or digest."""

    password_file: Path | None = None
    """File that holds the password and nothing else; readable by its owner only."""

    password_credential: Annotated[str, MinLen(1), MaxLen(255)] | None = None
    """Name of the systemd credential (``LoadCredential=``) that holds the password."""

    ca_file: Path | None = None
    """Certificates (PEM) to trust for rtsps and https, which may be the camera's own; unset trusts those of the system."""

    tls_verify: bool = True
    """Whether the camera's certificate and name are checked. Without it the password goes to whoever answers."""

    open_timeout_s: Annotated[float, Ge(1), Le(60)] = 5.0
    """Seconds that each step of opening may take: finding the host, asking for the stream, learning what is in it."""

    low_latency: bool = True
    """Hand out each picture as soon as it is decoded. Off, FFmpeg probes and reorders: for cameras that send B-frames."""

    hwaccel: HwAccel | None = None
    """Decode by this hardware, "v4l2m2m" on a Raspberry Pi up to 4, where it and the installed FFmpeg know the codec; else in
    software, and the camera's description says so."""

    @property
    def open_within_s(self) -> float:
        """Seconds after which opening has ended in one way or the other."""
        return 3 * self.open_timeout_s

    @property
    def address(self) -> str:
        """``scheme://host:port``, for messages."""
        return shown(self.url)


def stream_problems(stream: StreamSettings) -> tuple[str, ...]:
    """What is wrong with the combination of fields, one sentence each; empty if it can be used."""
    problems = [f"stream.{text}" for text in url_problems(stream.url)]
    if problems:
        return tuple(problems)
    if stream.tls_verify and is_playlist(stream.url) and scheme_of(stream.url) == "https":
        problems.append(f"stream.url names a playlist (HLS): {HLS_HINT}")
    if stream.transport == "udp" and scheme_of(stream.url) != "rtsp":
        problems.append('stream.transport: "udp" is for rtsp:// alone')
    if stream.password_file is not None and stream.password_credential is not None:
        problems.append("stream.password_file and stream.password_credential are both set; keep one")
    has_password = stream.password_file is not None or stream.password_credential is not None
    if "{password}" in stream.url and not has_password:
        problems.append("stream.url has {password} in it, but no password_file or password_credential is set")
    if "{username}" in stream.url and stream.username is None:
        problems.append("stream.url has {username} in it, but no username is set")
    elif has_password and stream.username is None and "{password}" not in stream.url:
        problems.append("stream: a password is set but no username")
    if has_password and stream.username is not None and "{password}" in stream.url and "{username}" not in stream.url:
        problems.append("stream.username is used nowhere: stream.url has {password} in it, and no {username}")
    return tuple(problems)
