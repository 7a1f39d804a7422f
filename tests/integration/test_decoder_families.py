"""From a picture through preprocessing and the real interpreter to boxes, for networks whose right answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from families import FAMILIES, INPUT_PX, SIDES, STRIDES, Family

from edged.core.detections import Detections
from edged.core.model import DecoderSpec, InputSpec, ModelManifest
from edged.infer.bundle import load_bundle
from edged.infer.manifest import format_manifest
from edged.infer.preprocess import Preprocessor
from edged.infer.settings import ModelSettings
from edged.tooling.inspect import inspect
from edged.vision.loader import load_bundled

CELLS = ((3, 5), (5, 1), (1, 2))
"""Column and row of the cell of the red, the green and the blue square, each on the grid of its stride."""

LABELS = ("red", "green", "blue")


def scene() -> np.ndarray:
    """The squares on black, BGR, twice the size of the network's input."""
    picture = np.zeros((2 * INPUT_PX, 2 * INPUT_PX, 3), np.uint8)
    for channel, ((x, y), stride) in enumerate(zip(CELLS, STRIDES, strict=True)):
        side = 2 * stride
        picture[y * side : (y + 1) * side, x * side : (x + 1) * side, 2 - channel] = 255
    return picture


def expected_boxes() -> list[list[float]]:
    left, top, right, bottom = SIDES
    return [
        [(x + 0.5 - left) * s, (y + 0.5 - top) * s, (x + 0.5 + right) * s, (y + 0.5 + bottom) * s]
        for (x, y), s in zip(CELLS, STRIDES, strict=True)
    ]


def bundle_of(family: Family, at: Path, resize: str = "stretch", padding: int = 0) -> Path:
    (at / "net.tflite").write_bytes(family.build())
    manifest = ModelManifest(
        name="toy",
        version="1",
        licence="Apache-2.0",
        files={"cpu": "net.tflite"},
        sha256={},
        input=InputSpec(resize=resize, mean=(0.0,), std=(255.0,), padding=padding),  # type: ignore[arg-type]
        decoder=DecoderSpec(family.decoder, family.parameters),
        labels=LABELS,
    )
    (at / "model.toml").write_text(format_manifest(manifest))
    return at


def detect(path: Path, picture: np.ndarray) -> Detections:
    """What the bundle sees, in pixels of the picture."""
    model = load_bundled("toy", load_bundle(path), ModelSettings(bundle=str(path), threads=1), None)
    staged = np.zeros(model.engine.input.shape, model.engine.input.dtype)
    place = Preprocessor(model.engine.input, model.manifest.input)(picture, staged)
    found = model.decoder(model.engine.infer(lambda tensor: np.copyto(tensor, staged)))
    return place.in_source(found)


@pytest.mark.parametrize("name", FAMILIES)
def test_squares_have_the_boxes_that_the_weights_say(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    found = detect(bundle_of(family, tmp_path), scene())
    found = found.take(np.argsort(found.class_id))
    assert found.class_id.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.xyxy / 2, expected_boxes(), atol=family.tolerance_px)
    assert found.score.tolist() == pytest.approx([family.score] * 3, abs=0.01)


@pytest.mark.parametrize(
    "name", ["YOLOv8", "YOLOv8 int8", "YOLOv11 raw heads", "YOLOv11 raw heads, apart", "NanoDet-Plus", "EfficientDet grids"]
)
def test_inspect_proposes_what_the_network_is(name: str, tmp_path: Path) -> None:
    proposal = inspect(bundle_of(FAMILIES[name], tmp_path) / "net.tflite").proposal
    assert (proposal.name, proposal.parameters["classes"]) == (FAMILIES[name].decoder, len(LABELS))


def test_boxes_find_their_way_back_through_a_letterbox(tmp_path: Path) -> None:
    """A picture twice as wide as high lies in the middle rows of the input, a quarter of its size."""
    family, factor, top = FAMILIES["YOLOv8"], 4, INPUT_PX // 4
    picture = np.zeros((INPUT_PX // 2 * factor, INPUT_PX * factor, 3), np.uint8)
    x, y, stride = 2, 3, 16  # the cell of the green square in the input
    picture[(y * stride - top) * factor : ((y + 1) * stride - top) * factor, x * stride * factor : (x + 1) * stride * factor, 1] = (
        255
    )
    found = detect(bundle_of(family, tmp_path, "letterbox"), picture)
    left, above, right, below = SIDES
    expected = [(x + 0.5 - left) * 16, (y + 0.5 - above) * 16 - top, (x + 0.5 + right) * 16, (y + 0.5 + below) * 16 - top]
    assert found.class_id.tolist() == [1]
    np.testing.assert_allclose(found.xyxy[0] / factor, expected, atol=0.01)
