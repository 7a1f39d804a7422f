"""Real models through decoder, tracker and presence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edged.core.detections import Detections
from edged.core.event import ObjectAppeared, ObjectLeft
from edged.core.geometry import iou_matrix
from edged.core.model import DecoderSpec, Parameter
from edged.decode import registry
from edged.infer.bundle import load_bundle
from edged.infer.engine import Engine
from edged.infer.preprocess import Preprocessor
from edged.tracking.settings import TrackerSettings
from edged.tracking.tracker import Tracker
from edged.zones.presence import FrameTime, Presence

SSD = "ssd_mobilenet_v1_coco_quant.tflite"
PERSON = 0

VISIBLE_S = [(6.0, 20.0), (22.7, 45.0), (50.2, 70.0), (74.5, 87.0), (92.1, 120.0), (123.4, 136.0)]
"""First and last moment at which any part of each person is in the picture, read off the frames by eye."""


def detector(path: Path, decoder: str, **parameters: Parameter) -> Callable[[np.ndarray], Detections]:
    """The way from a BGR picture to detections in its pixels."""
    bundle = load_bundle(path, decoder=decoder)
    engine = Engine(bundle, threads=2)
    decode = registry.build(DecoderSpec(decoder, parameters), [engine.input], engine.outputs)
    preprocess = Preprocessor(engine.input, bundle.manifest.input)

    def detect(image: np.ndarray) -> Detections:
        staged = np.zeros(engine.input.shape, engine.input.dtype)
        placement = preprocess(image, staged)
        found = decode(engine.infer(lambda tensor: np.copyto(tensor, staged)))
        return placement.in_source(found)

    return detect


def overlap(found: Detections, *expected: tuple[float, float, float, float]) -> list[float]:
    """The IoU of each expected box with the detection that fits it best."""
    return iou_matrix(np.array(expected, np.float32), found.xyxy).max(axis=1, initial=0).tolist()


def test_ssd_finds_the_cat(test_data: Path) -> None:
    found = detector(test_data / "models" / SSD, "ssd_postprocess")(cv2.imread(str(test_data / "media/cat.bmp")))
    assert found.class_id[0] == 16
    assert found.score[0] > 0.7
    assert overlap(found.take(np.array([0])), (29, 39, 377, 347))[0] >= 0.8


def test_blazeface_finds_the_faces(test_data: Path) -> None:
    model = test_data / "models/blazeface_128x128_quant.tflite"
    found = detector(model, "blazeface", score_threshold=0.8)(cv2.imread(str(test_data / "media/face.jpg")))
    assert len(found) == 2
    assert min(overlap(found, (254, 70, 356, 172), (132, 106, 224, 198))) > 0.5


@pytest.fixture(scope="module")
def clip(test_data: Path) -> list[tuple[int, Detections]]:
    """Persons in every third frame of the clip of 10 frames a second."""
    settings = TrackerSettings()
    detect = detector(test_data / "models" / SSD, "ssd_postprocess", score_threshold=settings.score_low)
    video, frames = cv2.VideoCapture(str(test_data / "media/one-by-one-person-detection.mp4")), []
    for index in range(10_000):
        if not video.grab():
            break
        if index % 3 == 0:
            found = detect(video.retrieve()[1])
            frames.append((index * 100_000_000, found.take(found.class_id == PERSON)))
    return frames


@pytest.mark.parametrize("every", [1, 2, 4], ids=["3.3 fps", "1.7 fps", "0.8 fps"])
def test_each_person_is_one_object(clip: list[tuple[int, Detections]], every: int) -> None:
    tracker, presence = Tracker(TrackerSettings()), Presence("clip", str, "model", "run")
    occurrences = []
    for media_ns, found in clip[::every]:
        occurrences += presence.update(tracker.update(found, media_ns), FrameTime(0, media_ns))
    assert tracker.finish() == (), "the scene is empty at the end"
    appeared = [o for o in occurrences if isinstance(o, ObjectAppeared)]
    left = [o for o in occurrences if isinstance(o, ObjectLeft)]
    assert [o.object_id for o in appeared] == [o.object_id for o in left]
    assert len(left) == len(VISIBLE_S)
    slack_s = 0.6 + 0.6 * every
    for came, went, (first_s, last_s) in zip(appeared, left, VISIBLE_S, strict=True):
        assert first_s <= came.media_s <= first_s + slack_s + 0.2
        assert went.dwell_s == pytest.approx(last_s - first_s, abs=2 * slack_s)
        assert last_s <= went.media_s <= last_s + max(1.5, 0.6 * every) + slack_s
        assert len(went.path) > 1
