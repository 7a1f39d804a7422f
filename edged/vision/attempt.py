"""``python -m edged.vision.attempt``: open one camera, whose settings come as JSON on stdin, and look at its first picture.

Prints one JSON object: ``what`` the source is, or what is wrong with it; the ``fault``, "" if it delivers; the ``hint`` what to do
then. A process of its own for ``edged doctor``, which keeps numpy and native code out of itself.
"""

from __future__ import annotations

import json
import sys

import msgspec

from edged.core.errors import CameraLost, SourceUnusable
from edged.sources.open import open_source
from edged.vision.settings import CameraSettings, decode_path


def attempt(settings: CameraSettings) -> dict[str, str]:
    """What came of it."""
    try:
        with open_source("doctor", settings) as source:
            frame = source.read()
            description = source.info.description
    except (CameraLost, SourceUnusable) as error:
        fault = error.fault if isinstance(error, CameraLost) else "unusable"
        return {"what": error.message, "fault": fault, "hint": error.hint}
    if frame is None:
        return {"what": f"{description} holds no picture", "fault": "no video", "hint": ""}
    return {"what": f"{description}, {frame.width} x {frame.height}", "fault": "", "hint": ""}


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=CameraSettings, dec_hook=decode_path)
    print(json.dumps(attempt(given)))
