"""The pages about model families: each manifest on them is read and its decoder built, each parameter is explained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import edged.decode
from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.letterbox import Letterbox
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry
from edged.infer.manifest import parse_manifest

PAGES = sorted((Path(edged.decode.__file__).parent / "models").glob("*.md"))
SECTIONS = ["What it is", "Manifest", "Parameters", "Worked example", "Where it goes wrong"]

Tensors = tuple[int, list[tuple[int, ...]]]
"""Side of the square input in pixels, shapes of the outputs that the decoder reads."""

DETECTIONS = [(1, 25, 4), (1, 25), (1, 25), (1,)]
GRIDS = ((1, 80, 80), (1, 40, 40), (1, 20, 20))
MODELS: dict[str, Tensors] = {
    "yolo11n_float32.tflite": (640, [(1, 84, 8400)]),
    "yolov5n-int8.tflite": (640, [(1, 25200, 85)]),
    "yolo11n_heads_int8.tflite": (640, [(*grid, 144) for grid in GRIDS]),
    "yolov10n_float32.tflite": (640, [(1, 300, 6)]),
    "yolox_tiny.tflite": (416, [(1, 3549, 85)]),
    "nanodet-plus-m_416.tflite": (416, [(1, 3598, 112)]),
    "nanodet-m_320.tflite": (320, [shape for n in (1600, 400, 100) for shape in ((1, n, 80), (1, n, 32))]),
    "efficientdet_lite0.tflite": (320, DETECTIONS),
    "efficientdet_lite0_raw.tflite": (320, [(1, 19206, 4), (1, 19206, 90)]),
    "ssd_mobilenet_v1_coco_quant.tflite": (300, DETECTIONS),
    "ssd_mobilenet_v2_fpnlite_256_int8.tflite": (256, [(1, 6820, 81), (1, 6820, 4), (1, 6820, 4)]),
    "ssd_mobilenet_v1_heads.tflite": (300, [(1, 1917, 4), (1, 1917, 91)]),
    "face_detection_full_range_sparse.tflite": (192, [(1, 2304, 16), (1, 2304, 1)]),
    "gate.tflite": (96, [(1, 2)]),
    "smoothed.tflite": (96, [(1, 2)]),
}
"""What the files on the pages hold. A new page adds its own."""

NAMES = {DETECTIONS[0]: ["", ":1", ":2", ":3"]}


def specs(shapes: Sequence[tuple[int, ...]]) -> list[TensorSpec]:
    endings = NAMES.get(shapes[0], [f"_{n}" for n in range(len(shapes))])
    return [TensorSpec(f"TFLite_Detection_PostProcess{end}", shape, "float32") for end, shape in zip(endings, shapes, strict=True)]


def manifests(page: Path) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_a_page_has_its_sections(page: Path) -> None:
    headings = re.findall(r"^(#+) (.*)$", page.read_text(), re.MULTILINE)
    assert [level for level, _ in headings] == ["#", *["##"] * len(SECTIONS)]
    assert [title for _, title in headings[1:]] == SECTIONS


def test_the_manifests_of_a_page_build_their_decoders(page: Path) -> None:
    texts = manifests(page)
    assert texts
    for text in texts:
        manifest, _ = parse_manifest(text.encode(), page.name)
        side, shapes = MODELS[manifest.files["cpu"]]
        registry.build_labelled(manifest, [TensorSpec("image", (1, side, side, 3), "float32")], specs(shapes))


@pytest.mark.parametrize("page", ["yolo.md", "yolox.md"])
def test_networks_that_were_trained_on_grey_bars_get_them(page: str) -> None:
    for text in manifests(PAGES[0].parent / page):
        how = parse_manifest(text.encode(), page)[0].input
        assert (how.resize, how.padding) == ("letterbox", 114)


def test_the_parameters_of_a_decoder_are_all_explained() -> None:
    """A page with a manifest of a decoder explains all its parameters, or another page with one does."""
    texts = {page: page.read_text() for page in PAGES}
    for name in {parse_manifest(text.encode(), "")[0].decoder.name for page in PAGES for text in manifests(page)}:
        holders = [text for page, text in texts.items() if f'name = "{name}"' in text]
        missing = [[word for word in parameters_of(name) if f"`{word}`" not in text] for text in holders]
        assert [] in missing, f"{name}: {missing}"


def parameters_of(decoder: str) -> list[str]:
    """As the refusal of an unknown one lists them."""
    with pytest.raises(ModelRejected) as caught:
        registry.build(registry.DecoderSpec(decoder, {"no such thing": 1}), [], [])
    return caught.value.hint.removeprefix("known: ").split(", ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert all((page.parent / link).is_file() for link in links)


def decode(page: str, *arrays: np.ndarray) -> Detections:
    """What the decoder of the first manifest with such outputs on the page makes of them."""
    for text in manifests(PAGES[0].parent / page):
        manifest, _ = parse_manifest(text.encode(), page)
        side, shapes = MODELS[manifest.files["cpu"]]
        if shapes == [array.shape for array in arrays]:
            outputs = [RawOutput(spec, array.astype(np.float32)) for spec, array in zip(specs(shapes), arrays, strict=True)]
            picture = TensorSpec("image", (1, side, side, 3), "float32")
            found = registry.build(manifest.decoder, [picture], [output.spec for output in outputs])(outputs)
            return Detections(found.xyxy * side, found.score, found.class_id)
    raise AssertionError(f"{page} has no such outputs")


def logits(*means: float, bins: int) -> np.ndarray:
    """Of distributions with these means, whole or half numbers."""
    values = np.full((len(means), bins), -30.0)
    for side, mean in enumerate(means):
        values[side, [int(mean), int(mean + 0.5)]] = 30.0
    return values.ravel()


def test_worked_example_of_yolo() -> None:
    output = np.zeros((1, 84, 8400))
    output[0, :7, 4711] = (0.50, 0.50, 0.20, 0.10, 0.02, 0.91, 0.01)
    found = decode("yolo.md", output)
    assert (found.class_id.tolist(), found.score.tolist()) == ([1], [pytest.approx(0.91)])
    assert found.xyxy[0].tolist() == pytest.approx([256, 288, 384, 352], abs=1e-3)
    back = Letterbox.fit((1280, 720), (640, 640), "letterbox").to_source(found.xyxy / np.float32(640))
    assert back[0].tolist() == pytest.approx([512, 296, 768, 424], abs=1e-2)
    heads = [np.full((*grid, 144), -9.0) for grid in GRIDS]
    heads[2][0, 9, 9, :64] = logits(1.5, 0.5, 2.5, 1.5, bins=16)
    heads[2][0, 9, 9, 65] = 9
    assert decode("yolo.md", *heads).xyxy[0].tolist() == pytest.approx([256, 288, 384, 352], abs=1e-3)


def test_worked_example_of_yolox() -> None:
    output = np.zeros((1, 3549, 85))
    output[0, 2704 + 26 * 3 + 5, :7] = (0.25, 0.50, 0.69, 1.39, 0.95, 0.02, 0.90)
    found = decode("yolox.md", output)
    assert (found.class_id.tolist(), found.score.tolist()) == ([1], [pytest.approx(0.855)])
    assert found.xyxy[0].tolist() == pytest.approx([68, 24, 100, 88], abs=0.2)


def test_worked_example_of_nanodet() -> None:
    output = np.zeros((1, 3598, 112))
    output[0, 2704 + 676 + 2 * 13 + 4] = [0.9, *[0] * 79, *logits(1.5, 0.5, 2, 3, bins=8)]
    assert decode("nanodet.md", output).xyxy[0].tolist() == pytest.approx([80, 48, 192, 160], abs=1e-3)


def test_worked_example_of_efficientdet() -> None:
    boxes, classes = np.zeros((1, 19206, 4)), np.full((1, 19206, 90), -9.0)
    place = (1600 + 400 + 4 * 10 + 6) * 9
    boxes[0, place], classes[0, place, 17] = (0.25, -0.5, 0, 0.69), 9
    found = decode("efficientdet.md", boxes, classes)
    assert found.class_id.tolist() == [17]
    assert found.xyxy[0].tolist() == pytest.approx([64, 120, 256, 216], abs=0.5)
