"""Whether a network camera answers, asked in the same way as the vision process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec

from edged.daemon.doctor.finding import Finding
from edged.sources.stream_settings import StreamSettings
from edged.vision.settings import CameraSettings, encode_path

ATTEMPT = (sys.executable, "-P", "-m", "edged.vision.attempt")
"""Its own process: what a camera sends is decoded by native code."""

START_S = 60.0
"""The first import of numpy and FFmpeg from a slow SD card."""


def check_stream(check: str, settings: CameraSettings, stream: StreamSettings) -> Finding:
    """Open the stream and wait for a picture."""
    if stream.password_credential is not None and not os.environ.get("CREDENTIALS_DIRECTORY"):
        what = f"not tried: systemd hands the credential {stream.password_credential!r} to the unit alone"
        return Finding(check, "skip", what, "The unit's own log says whether it delivers: `journalctl -u edged`.")
    given = msgspec.json.encode(settings, enc_hook=encode_path)
    within_s = START_S + settings.open_within_s + 2 * settings.stall_after_s
    try:
        done = subprocess.run(ATTEMPT, input=given, capture_output=True, check=False, timeout=within_s)
    except subprocess.TimeoutExpired:
        return Finding(check, "fail", f"{stream.address}: nothing came of it within {within_s:.0f} s")
    if done.returncode != 0:
        return Finding(check, "fail", f"{stream.address}: the attempt ended with status {done.returncode}")
    outcome = json.loads(done.stdout)
    return Finding(check, "ok" if outcome["delivers"] else "fail", outcome["what"], outcome["hint"])
