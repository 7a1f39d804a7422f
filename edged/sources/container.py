"""Opening a network camera through FFmpeg: what it may use, how long it may take, and what its errors mean.

Rules: FFmpeg gets the protocols and formats of the one camera and no others, in whatever a playlist or a redirect names. Its errors
carry the address with the password in it: only their kind and number are passed on, never they themselves.
"""

from __future__ import annotations

import errno
import ssl
import time

import av
from av import error as fault
from av.container import InputContainer

from edged.core.errors import CameraFault, CameraLost, SecretUnreadable
from edged.core.secrets import read_secret
from edged.sources.lookup import require_address
from edged.sources.stream_settings import HLS_HINT, StreamSettings
from edged.sources.url import host_of, scheme_of, with_login
from edged.sources.video import MAX_FRAME_PIXELS

PROTOCOLS = {"rtsp": "tcp", "rtsps": "tls,tcp", "http": "http,https,tls,tcp", "https": "https,tls,tcp"}
"""By scheme; https leads nowhere but to https. Files, pipes and concatenations are in none of them."""

HTTP_FORMATS = "mpjpeg,hls,mpegts,flv,mov,aac"
"""Containers over HTTP, and what the parts of a playlist are made of."""

CODECS = {"h264", "hevc", "mjpeg", "mpeg4", "vp8", "vp9", "av1"}
"""What cameras send; FFmpeg's other decoders never meet what comes from the network."""

DECODERS = ",".join(sorted({*CODECS, "libdav1d"}))

NO_PATH = "look up the path of the stream in the camera's manual, or ask the camera by ONVIF"
MEANINGS: dict[type[av.FFmpegError], tuple[CameraFault, str, str]] = {
    fault.HTTPUnauthorizedError: (
        "login refused",
        "refuses the login (401)",
        "are username and password those of the camera's account for streams?",
    ),
    fault.HTTPForbiddenError: ("forbidden", "forbids us this stream (403)", "give the account the right to view it"),
    fault.HTTPNotFoundError: ("path unknown", "has nothing under this path (404)", NO_PATH),
    fault.HTTPOtherClientError: (
        "no video",
        "refuses the request (4xx)",
        f"it may have no video there, or not this transport; {NO_PATH}",
    ),
    fault.HTTPServerError: (
        "faulty",
        "has an error of its own (5xx)",
        "cameras answer so while they boot, or when too many watch them",
    ),
    fault.ConnectionRefusedError: (
        "connection refused",
        "refuses the connection",
        "is the port right, and the service switched on in the camera?",
    ),
    fault.ConnectionResetError: ("faulty", "cut the connection", "cameras do so when they reboot, or when too many watch them"),
    fault.InvalidDataError: ("no video", "sends nothing that FFmpeg knows", NO_PATH),
    fault.ArgumentError: ("no video", "leads to a format or protocol that is not accepted", NO_PATH),
}
NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
NO_ROUTE_HINT = "is the network of this machine up, and the camera's address one of it? `ip route get ADDRESS` tells"
SILENT_HINT = "is it switched on, and in this network? `ping` tells"
TLS_HINT = "if the camera has a certificate of its own, name it as ca_file, and the camera in url as the certificate does"


def open_container(stream: StreamSettings, within_s: float) -> InputContainer:
    """Ask the camera for its stream; raises CameraLost. Reads of it end with an error after ``within_s`` without data."""
    require_address(host_of(stream.url), stream.open_timeout_s)
    try:
        password = read_secret(stream.password_file, stream.password_credential)
    except SecretUnreadable as error:
        raise CameraLost(error.message, hint=error.hint, fault="login refused") from error
    url = with_login(stream.url, stream.username, password)
    began = time.monotonic()
    try:
        return av.open(url, options=options_of(stream, within_s), timeout=(stream.open_timeout_s, within_s))
    except av.FFmpegError as error:
        silent = time.monotonic() - began >= stream.open_timeout_s
        raise failure(stream, error, stream.open_timeout_s if silent else None) from None


def failure(stream: StreamSettings, error: av.FFmpegError, silent_s: float | None) -> CameraLost:
    """What ``error`` of FFmpeg means; ``silent_s`` if it came because nothing else did for so long."""
    where = stream.address
    if silent_s is not None or isinstance(error, fault.ExitError | fault.TimeoutError):
        return CameraLost(f"{where} is silent" + (f" for {silent_s:g} s" if silent_s else ""), hint=SILENT_HINT, fault="silent")
    if isinstance(error, fault.ArgumentError) and scheme_of(stream.url) == "https" and stream.tls_verify:
        return CameraLost(f"{where} leads to HLS, or to another format that is not accepted", hint=HLS_HINT, fault="no video")
    for kind, (sort, what, hint) in MEANINGS.items():
        if isinstance(error, kind):
            return CameraLost(f"{where} {what}", hint=hint, fault=sort)
    if error.errno in NO_ROUTE:
        return CameraLost(f"{where}: {error.strerror}", hint=NO_ROUTE_HINT, fault="unreachable")
    if scheme_of(stream.url) in {"rtsps", "https"}:
        return CameraLost(f"{where}: {error.strerror}", hint=TLS_HINT, fault="untrusted")
    return CameraLost(f"{where}: {error.strerror}")


def options_of(stream: StreamSettings, within_s: float) -> dict[str, str]:
    """FFmpeg's options (https://ffmpeg.org/ffmpeg-protocols.html, ffmpeg-formats.html)."""
    scheme = scheme_of(stream.url)
    options = {"protocol_whitelist": PROTOCOLS[scheme], "codec_whitelist": DECODERS, "max_pixels": str(MAX_FRAME_PIXELS)}
    socket_timeout = str(round(within_s * 1e6))  # microseconds; bounds what the timeout of the whole read does not: closing
    if scheme in {"rtsp", "rtsps"}:
        options |= {"format_whitelist": "rtsp", "allowed_media_types": "video", "rtsp_transport": stream.transport}
        options["timeout"] = socket_timeout
        if stream.transport == "udp":
            options["protocol_whitelist"] += ",rtp,udp"
        if stream.low_latency:
            # What is in the stream is told before it begins. What is read to probe it is kept (no fflags=nobuffer): it holds the
            # picture that the others build on, and the next such may be many seconds away.
            options |= {"probesize": "32", "analyzeduration": "0"}
    else:
        options |= {"format_whitelist": HTTP_FORMATS, "rw_timeout": socket_timeout}
        options["analyzeduration"] = "1000000"  # microseconds; for FLV, which may always hold one stream more, FFmpeg takes 5 s
    if scheme in {"rtsps", "https"} and stream.tls_verify:
        # FFmpeg asks for a playlist with these options, and for its parts without: hls.c hands on seven by name, and none of TLS.
        options["format_whitelist"] = options["format_whitelist"].replace("hls,", "")
        options |= {"tls_verify": "1"} | _authorities(stream)
    return options


def _authorities(stream: StreamSettings) -> dict[str, str]:
    if stream.ca_file is None:
        system = ssl.get_default_verify_paths().cafile
        return {"ca_file": system} if system else {}
    try:
        stream.ca_file.open("rb").close()
    except OSError as error:
        raise CameraLost(
            f"{stream.ca_file}: {error.strerror}", hint="ca_file names certificates (PEM)", fault="untrusted"
        ) from error
    return {"ca_file": str(stream.ca_file)}
