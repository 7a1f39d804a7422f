"""What a network sees beside the picture becomes no object: neither of the daemon nor of ``edged detect``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from families import FAMILIES, INPUT_PX
from test_decoder_families import bundle_of
from vision import reports_of

from edged.core.event import ObjectAppeared
from edged.infer.bundle import identify
from edged.infer.settings import ModelSettings
from edged.sources.open import open_source
from edged.sources.settings import FileSettings
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings

Boxes = list[tuple[float, float, float, float]]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A network that takes bright squares for objects, in a letterbox whose bars are white."""
    return bundle_of(FAMILIES["YOLOv8"], tmp_path, "letterbox", padding=255)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Black ones, twice as wide as high: with bars above and below."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), np.zeros((INPUT_PX // 2, INPUT_PX, 3), np.uint8))
    return folder


def require_areas(boxes: Boxes) -> None:
    """Boxes that reach from a bar into the picture are there, and no others: those are lines, which the tracker makes 1 px high."""
    assert boxes
    assert all(right - left > 2 and bottom - top > 2 for left, top, right, bottom in boxes)


def test_detect_prints_what_is_in_the_picture(bundle: Path, pictures: Path) -> None:
    command = [sys.executable, "-m", "edged", "detect", "--json", "--model", str(bundle), "--source", str(pictures / "0.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    require_areas([found["box"] for found in json.loads(done.stdout)["detections"]])


def test_the_daemon_follows_what_is_in_the_picture(bundle: Path, pictures: Path) -> None:
    camera = CameraSettings(model="toy", file=FileSettings(path=pictures, pace="fast", pictures_per_s=10), live_max_hz=100)
    settings = VisionSettings(
        cameras={"door": camera},
        models={"toy": ModelSettings(bundle=str(bundle))},
        tracking=TrackerSettings(appear_after_s=0),
        identities={"toy": identify(bundle)},
        run="r",
    )
    reports = reports_of(settings, open_source)
    require_areas([report.box for report in reports if isinstance(report, ObjectAppeared)])
    assert any(isinstance(report, ipc.Live) for report in reports)
