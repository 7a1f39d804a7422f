"""A daemon's configuration with cameras that see a hundred lights go on and off at once: events in bursts of hundreds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edged.testing.detector import write_bundle

OBJECTS = 100
"""What the tracker follows at once, by default."""

BRIGHTNESS = (255, 255, 0, 0, 0)
"""Of the pictures, two a second: an object leaves when it was gone for a second."""


def write_config(directory: Path, state: Path, cameras: Sequence[str], port: int, jsonl: Path) -> Path:
    """Write model, pictures and configuration into ``directory``."""
    bundle, pictures = write_bundle(directory / "lights", OBJECTS), directory / "pictures"
    pictures.mkdir()
    for number, brightness in enumerate(BRIGHTNESS):
        cv2.imwrite(str(pictures / f"{number}.png"), np.full((8, 8 * OBJECTS, 3), brightness, np.uint8))
    each = "".join(
        f'[cameras.{name}]\nmodel = "lights"\nlive_max_hz = 0\n'
        f'file = {{ path = "{pictures}", pace = "realtime", loop = true, pictures_per_s = 2 }}\n'
        for name in cameras
    )
    config = directory / "edged.toml"
    config.write_text(f"""
        [device]
        name = "pi"
        state_directory = "{state}"
        [models.lights]
        bundle = "{bundle}"
        [tracking]
        appear_after_s = 0
        leave_after_s = 1
        {each}
        [mqtt]
        host = "127.0.0.1"
        port = {port}
        [sinks]
        jsonl = "{jsonl}"
    """)
    return config
