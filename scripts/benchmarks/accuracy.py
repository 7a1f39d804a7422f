"""mAP at IoU 0.5 of the detectors of the test data on its five labelled pictures: a check that nothing is upside down, no ranking.

Average precision is the area under the precision-recall curve with precision made monotone, as in PASCAL VOC since 2010; the mean
is over the classes that the pictures hold.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from edged.core.geometry import iou_matrix
from edged.infer.bundle import load_bundle
from edged.infer.preprocess import Preprocessor
from edged.infer.settings import ModelSettings
from edged.sources.open import open_source
from edged.sources.settings import FileSettings, SourceSettings
from edged.vision.loader import LoadedModel, load_bundled

LEAST_SCORE = 0.05
MATCH_IOU = 0.5
SSD_V1, FPNLITE = "ssd_mobilenet_v1_coco_quant", "ssd_mobilenet_v2_fpnlite_256_int8"

Boxes = dict[str, dict[str, Any]]
"""By picture and label: ``xyxy`` float32 (n, 4) in pixels, and for detections ``score`` float32 (n,)."""


def register(parser: argparse.ArgumentParser) -> None:
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGED_TEST_DATA", default)), help="the test data")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    data: Path = arguments.data
    pictures = json.loads((data / "labelled/ground_truth.json").read_text())["pictures"]
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as scratch:
        models = dict(_models(data / "models", Path(scratch)))
        return {
            name: _mean_average_precision(model, data, pictures)
            for name, model in track(models.items(), description="detecting", console=console, transient=True)
        }


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title="mAP at IoU 0.5, five labelled pictures", title_justify="left")
    table.add_column("model")
    table.add_column("mAP@.5", justify="right")
    for name, value in result.items():
        table.add_row(name, f"{value:.3f}")
    console.print(table)


def _models(directory: Path, scratch: Path) -> Iterator[tuple[str, LoadedModel]]:
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
    seen = model.decoder(model.engine.infer(lambda tensor: np.copyto(tensor, staged)))
    xyxy, boxes = placement.to_source(seen.xyxy), {}
    for class_id in np.unique(seen.class_id):
        mine = seen.class_id == class_id
        boxes[model.manifest.label(int(class_id))] = {"xyxy": xyxy[mine], "score": seen.score[mine]}
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
