"""The models of the test data on its pictures: a check that nothing is upside down, no ranking.

Detectors by mAP at IoU 0.5 on the five labelled pictures, face detectors by how many of the four faces of one picture they find,
the classifier by how often what is there is among its five best. Average precision is the area under the precision-recall curve
with precision made monotone, as in PASCAL VOC since 2010; the mean is over the classes that the pictures hold.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from edged.core.geometry import iou_matrix
from edged.core.model import DecoderSpec, InputSpec
from edged.infer import catalogue
from edged.infer.bundle import load_bundle
from edged.infer.preprocess import Preprocessor
from edged.infer.settings import ModelSettings
from edged.sources.open import open_source
from edged.sources.settings import FileSettings, SourceSettings
from edged.vision.loader import LoadedModel, load_bundled

LEAST_SCORE = 0.05
MATCH_IOU = 0.5
SSD_V1, FPNLITE = "ssd_mobilenet_v1_coco_quant", "ssd_mobilenet_v2_fpnlite_256_int8"
BLAZEFACE, MOBILENET = "blazeface_128x128_quant.tflite", "mobilenet_v1_0.25_128_quant.tflite"

FACES = {
    "face": {"xyxy": np.array([(252, 67, 356, 170), (125, 104, 224, 203), (7, 115, 52, 160), (438, 129, 493, 184)], np.float32)}
}
"""Of media/face.jpg, drawn by eye: two near, two small in the background."""

QUANTISED_FACE_SCORE = 0.6
"""The quantised conversion cannot tell a half from a face: its second grid counts logits in steps of 115."""

TOP_K = 5
CATS, DOGS = range(282, 287), range(152, 270)
CONTENT = {"cat.bmp": (CATS,), "pets.jpg": (DOGS,), "cats_and_dogs.jpg": (CATS, DOGS)}
"""What the pictures hold, as numbers of ImageNet's classes behind the background; any of it counts."""

Boxes = dict[str, dict[str, Any]]
"""By picture and label: ``xyxy`` float32 (n, 4) in pixels, and for detections ``score`` float32 (n,)."""

Row = tuple[str, str, float]
"""Model, measure, value."""


def register(parser: argparse.ArgumentParser) -> None:
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGED_TEST_DATA", default)), help="the test data")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as scratch:
        rows = list(track(_rows(arguments.data.resolve(), Path(scratch)), description="detecting", console=console, transient=True))
    return {model: {"measure": measure, "value": value} for model, measure, value in rows}


def show(result: dict[str, Any], console: Console) -> None:
    table = Table("model", "measure", title="The models of the test data on its pictures", title_justify="left")
    table.add_column("value", justify="right")
    for model, found in result.items():
        table.add_row(model, found["measure"], f"{found['value']:.3f}")
    console.print(table)


def _rows(data: Path, scratch: Path) -> Iterator[Row]:
    pictures = json.loads((data / "labelled/ground_truth.json").read_text())["pictures"]
    for name, model in _detectors(data / "models", scratch):
        yield name, f"mAP@{MATCH_IOU}", _mean_average_precision(model, data, pictures)
    for name, model in _face_detectors(data / "models"):
        yield name, "share of four faces", _faces_found(model, data / "media/face.jpg")
    yield "MobileNet v1 0.25 128 quantised", f"top {TOP_K} of three pictures", _pictures_recognised(data)


def _face_detectors(directory: Path) -> Iterator[tuple[str, LoadedModel]]:
    """That of the test data, and those of the catalogue that were pulled."""
    quantised = load_bundle(directory / BLAZEFACE, decoder="blazeface")
    manifest = replace(quantised.manifest, input=InputSpec(resize="letterbox"), labels=("face",))
    settings = ModelSettings(bundle=BLAZEFACE)
    yield (
        "BlazeFace short range quantised",
        load_bundled("faces", replace(quantised, manifest=manifest), settings, QUANTISED_FACE_SCORE),
    )
    for entry in catalogue.ENTRIES.values():
        if entry.manifest and entry.manifest.decoder.name == "blazeface":
            place = catalogue.location(entry, catalogue.default_root())
            if catalogue.state(entry, catalogue.default_root()) == "pulled":
                yield entry.name, load_bundled(entry.name, load_bundle(place), ModelSettings(bundle=entry.name), None)


def _faces_found(model: LoadedModel, picture: Path) -> float:
    """How many of the real boxes one of the detected ones fits, as a share."""
    seen = _detect(model, picture)[1].get("face")
    fits = iou_matrix(FACES["face"]["xyxy"], seen["xyxy"]).max(axis=1) >= MATCH_IOU if seen else np.zeros(1)
    return float(fits.mean())


def _pictures_recognised(data: Path) -> float:
    """The share of pictures of which one of the classifier's best classes is right."""
    bundle = load_bundle(data / "models" / MOBILENET)
    manifest = replace(bundle.manifest, decoder=DecoderSpec("classification", {"top_k": TOP_K}))
    model = load_bundled(MOBILENET, replace(bundle, manifest=manifest), ModelSettings(bundle=MOBILENET), 0.0)
    number = {label: class_id for class_id, label in enumerate(manifest.labels)}
    seen = {name: [number[label] for label in _detect(model, data / "media" / name)[1]] for name in CONTENT}
    return float(np.mean([any(n in kind for n in seen[name] for kind in kinds) for name, kinds in CONTENT.items()]))


def _detectors(directory: Path, scratch: Path) -> Iterator[tuple[str, LoadedModel]]:
    labels = directory / f"{SSD_V1}.labels.txt"
    yield "SSD MobileNet v1 quantised, metadata", _loaded(directory / f"{SSD_V1}.tflite")
    yield "SSD MobileNet v1 quantised, no metadata", _loaded(directory / f"{SSD_V1}_no_metadata.tflite", labels)
    for suffix in (".tflite", ".labels.txt"):
        (scratch / f"{FPNLITE}{suffix}").symlink_to(directory / f"{FPNLITE}{suffix}")
    (scratch / "model.toml").write_text(
        f'name = "fpnlite"\nlabels_file = "{FPNLITE}.labels.txt"\n[files]\ncpu = "{FPNLITE}.tflite"\n'
        '[decoder]\nname = "ssd_corners"\noutput_order = "scores,offsets,anchors"\n'
    )
    yield "SSD MobileNet v2 FPNLite 256 int8", _loaded(scratch)


def _loaded(path: Path, labels: Path | None = None) -> LoadedModel:
    return load_bundled(path.name, load_bundle(path, labels), ModelSettings(bundle=str(path)), LEAST_SCORE)


def _mean_average_precision(model: LoadedModel, data: Path, pictures: list[dict[str, Any]]) -> float:
    truth, found = {}, {}
    for picture in pictures:
        image, seen = _detect(model, data / picture["file"])
        truth[picture["file"]] = _truth(picture, image.shape[1], image.shape[0])
        found[picture["file"]] = seen
    labels = sorted({label for boxes in truth.values() for label in boxes})
    return float(np.mean([_average_precision(label, truth, found) for label in labels]))


def _detect(model: LoadedModel, path: Path) -> tuple[np.ndarray, Boxes]:
    staged = np.zeros(model.engine.input.shape, model.engine.input.dtype)
    with open_source("picture", SourceSettings(file=FileSettings(path=path, pace="fast"))) as source:
        frame = source.read()
    assert frame
    placement = Preprocessor(model.engine.input, model.manifest.input)(frame.image, staged)
    seen = placement.in_source(model.decoder(model.engine.infer(lambda tensor: np.copyto(tensor, staged))))
    boxes = {}
    for class_id in np.unique(seen.class_id):
        mine = seen.class_id == class_id
        boxes[model.manifest.label(int(class_id))] = {"xyxy": seen.xyxy[mine], "score": seen.score[mine]}
    return frame.image, boxes


def _truth(picture: dict[str, Any], width: int, height: int) -> Boxes:
    boxes: dict[str, list[list[float]]] = {}
    for label, x, y, w, h in picture["boxes_label_xywh_center_normalised"]:
        boxes.setdefault(label, []).append([(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height])
    return {label: {"xyxy": np.array(found, np.float32)} for label, found in boxes.items()}


def _average_precision(label: str, truth: dict[str, Boxes], found: dict[str, Boxes]) -> float:
    expected, hits = 0, []
    for name, boxes in truth.items():
        real = boxes.get(label, {"xyxy": np.zeros((0, 4), np.float32)})["xyxy"]
        expected += len(real)
        seen = found[name].get(label)
        if seen is None:
            continue
        taken: set[int] = set()
        overlap = iou_matrix(seen["xyxy"], real)
        for position in np.argsort(-seen["score"]):
            free = [n for n in range(len(real)) if n not in taken and overlap[position, n] >= MATCH_IOU]
            if free:
                taken.add(max(free, key=lambda n: overlap[position, n]))
            hits.append((float(seen["score"][position]), bool(free)))
    right = np.cumsum([hit for _, hit in sorted(hits, reverse=True)])
    precision = right / np.arange(1, len(right) + 1)
    recall = np.concatenate([[0], right / expected])
    monotone = np.maximum.accumulate(precision[::-1])[::-1] if len(right) else precision
    return float((np.diff(recall) * monotone).sum())
