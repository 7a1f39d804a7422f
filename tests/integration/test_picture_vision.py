"""What a camera's picture settings, and a camera's own changes, do to what a real model sees and the events say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from vision import reports_of

from edged.core.event import ObjectAppeared, ObjectLeft
from edged.infer.bundle import identify
from edged.infer.settings import ModelSettings
from edged.sources.open import open_source
from edged.sources.picture_settings import PictureSettings
from edged.sources.settings import FileSettings, SyntheticSettings
from edged.testing.source import Deliver, Script
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings

CAT = (29, 39, 377, 347)
"""Left, top, right, bottom in px of the upright picture of 512 x 341."""


def settings(test_data: Path, camera: CameraSettings, tracking: TrackerSettings) -> VisionSettings:
    model = ModelSettings(bundle=str(test_data / "models/ssd_mobilenet_v1_coco_quant.tflite"))
    identities = {"ssd": identify(Path(model.bundle))}
    return VisionSettings(cameras={"door": camera}, models={"ssd": model}, tracking=tracking, identities=identities, run="r")


@pytest.fixture(scope="module")
def on_its_side(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cat as a camera shows it that hangs on its side: four pictures."""
    folder = tmp_path_factory.mktemp("on-its-side")
    picture = np.rot90(cv2.imread(str(test_data / "media/cat.bmp")))
    for number in range(4):
        (folder / f"{number}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return folder


def seen(test_data: Path, folder: Path, picture: PictureSettings, **changes: object) -> list[ipc.Report]:
    file = FileSettings(path=folder, pace="fast", pictures_per_s=10)
    camera = CameraSettings(model="ssd", file=file, picture=picture, live_max_hz=0, **changes)  # type: ignore[arg-type]
    return reports_of(settings(test_data, camera, TrackerSettings(appear_after_s=0)), open_source)


def test_boxes_are_in_the_picture_as_it_is_shown(test_data: Path, on_its_side: Path) -> None:
    reports = seen(test_data, on_its_side, PictureSettings(rotate=90))
    (up,) = [report for report in reports if isinstance(report, ipc.CameraUp)]
    assert (up.width, up.height, up.fps) == (512, 341, 10.0)
    (cat,) = [report for report in reports if isinstance(report, ObjectAppeared)]
    assert cat.label == "cat"
    assert np.abs(np.subtract(cat.box, CAT)).max() < 40

    reports = seen(test_data, on_its_side, PictureSettings(rotate=90, crop=(0.05, 0.1, 0.8, 1.0), max_fps=5))
    (up,) = [report for report in reports if isinstance(report, ipc.CameraUp)]
    assert (up.width, up.height, up.fps) == (384, 307, 5.0)
    (cat,) = [report for report in reports if isinstance(report, ObjectAppeared)]
    assert np.abs(np.subtract(cat.box, np.subtract(CAT, (26, 34, 26, 34)))).max() < 40
    (stats,) = [report for report in reports if isinstance(report, ipc.Stats)][-1].cameras
    assert (stats.captured, stats.inferred) == (2, 2)


def test_what_is_masked_is_neither_detected_nor_in_the_annotated_video(test_data: Path, on_its_side: Path, tmp_path: Path) -> None:
    left, top, right, bottom = 0.0, 0.05, 0.8, 1.0
    mask = ((left, top), (right, top), (right, bottom), (left, bottom))
    video = tmp_path / "seen.avi"
    reports = seen(test_data, on_its_side, PictureSettings(rotate=90, masks=(mask,)), annotated=video)
    assert not [report for report in reports if isinstance(report, ObjectAppeared) and report.label == "cat"]
    shown, frame = cv2.VideoCapture(str(video)).read()
    assert shown
    height, width = frame.shape[:2]
    assert frame[round(top * height) : round(bottom * height), : round(right * width)].mean() < 3
    assert frame[:, round(right * width) + 8 :].mean() > 30


def switching(picture: np.ndarray, since_s: float, takes_s: float, noise: np.random.Generator) -> np.ndarray:
    """``picture`` as a camera gives it that switches to night vision: white at first, then grey while its exposure settles."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    unsettled = max(0.0, 2 - 2 * since_s / takes_s)
    exposed = np.full_like(grey, 250) if unsettled > 1 else grey * (0.7 + 4 * unsettled) + 20 * unsettled
    return np.clip(exposed + noise.normal(0, 8, grey.shape), 0, 255).astype(np.uint8)


def test_a_person_stays_the_same_while_the_camera_switches_to_night_vision(test_data: Path) -> None:
    video, noise, steps = cv2.VideoCapture(str(test_data / "media/one-by-one-person-detection.mp4")), np.random.default_rng(0), []
    for index in range(360):
        video.grab()
        if index >= 280:  # somebody is there all the time
            position_ns, since_s = index * 100_000_000, index / 10 - 30
            image = video.retrieve()[1]
            steps.append(Deliver(image if since_s < 0 else switching(image, since_s, 3.0, noise), position_ns))
    camera = CameraSettings(model="ssd", synthetic=SyntheticSettings(pace="fast"), labels=("person",), live_max_hz=0)
    reports = reports_of(settings(test_data, camera, TrackerSettings()), Script(steps).open)
    (came,) = [report for report in reports if isinstance(report, ObjectAppeared)]
    (left,) = [report for report in reports if isinstance(report, ObjectLeft)]
    assert (left.object_id, left.reason) == (came.object_id, "stopped")
    assert left.dwell_s > 7
