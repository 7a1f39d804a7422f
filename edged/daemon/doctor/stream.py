"""Whether a network camera answers, asked in the same way as the vision process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec

from edged.core.errors import SecretUnreadable
from edged.core.secrets import read_secret
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import code_of, trouble
from edged.sources.stream_settings import StreamSettings
from edged.vision.settings import CameraSettings, encode_path

ATTEMPT = (sys.executable, "-P", "-m", "edged.vision.attempt")
"""Its own process: what a camera sends is decoded by native code."""

START_S = 60.0
"""The first import of numpy and FFmpeg from a slow SD card."""


def within_s(settings: CameraSettings) -> float:
    """How long an attempt may take."""
    return START_S + settings.open_within_s + 2 * settings.stall_after_s


def check_stream(name: str, settings: CameraSettings, stream: StreamSettings, command: tuple[str, ...] = ATTEMPT) -> Finding:
    """Open the stream and wait for a picture."""
    if stream.password_credential is not None and not os.environ.get("CREDENTIALS_DIRECTORY"):
        what = f"not tried: systemd hands the credential {stream.password_credential!r} to the unit alone"
        return Finding(name, "skip", what, "The unit's own log says whether it delivers: `journalctl -u edged`.")
    try:
        read_secret(stream.password_file, stream.password_credential)
    except SecretUnreadable as error:
        return trouble(name, code_of("secret", error.fault), error.message, error.hint)
    given = msgspec.json.encode(settings, enc_hook=encode_path)
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=within_s(settings))
    except subprocess.TimeoutExpired:
        return trouble(name, "stream-silent", f"{stream.address}: nothing came of it within {within_s(settings):.0f} s")
    if done.returncode != 0:
        return trouble(name, "stream-crashes", f"{stream.address}: the attempt ended with status {done.returncode}")
    outcome = json.loads(done.stdout)
    if not outcome["fault"]:
        return Finding(name, "ok", outcome["what"])
    return trouble(name, code_of("stream", outcome["fault"]), outcome["what"], outcome["hint"])
