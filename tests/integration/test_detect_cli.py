"""``edged detect``: what peers' own tests ask of the same model and pictures, and the form of what is printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SSD = "models/ssd_mobilenet_v1_coco_quant.tflite"
Box = tuple[float, float, float, float]


def edged(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edged", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def detect(*arguments: object) -> list[dict[str, Any]]:
    done = edged("detect", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def iou(a: Box, b: Box) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - width * height
    return width * height / area


def test_cat_as_a_peer_asks(test_data: Path) -> None:
    (record,) = detect("--model", test_data / SSD, "--source", test_data / "media/cat.bmp")
    assert record.keys() == {"source", "frame", "width", "height", "inference_ms", "detections"}
    assert (record["source"], record["frame"]) == (str(test_data / "media/cat.bmp"), 0)
    assert (record["width"], record["height"]) == (512, 341)
    assert record["inference_ms"] > 0
    best = record["detections"][0]
    assert best.keys() == {"label", "score", "box"}
    assert best["label"] == "cat"
    assert best["score"] > 0.7
    assert iou(best["box"], (29, 39, 377, 347)) >= 0.8


def test_cats_and_dogs_as_a_peer_asks(test_data: Path) -> None:
    (record,) = detect("--model", test_data / SSD, "--source", test_data / "media/cats_and_dogs.jpg")
    expected: list[tuple[str, float, Box]] = [
        ("cat", 0.645, (54, 396, 447, 592)),
        ("cat", 0.609, (602, 157, 996, 604)),
        ("cat", 0.5625, (259, 394, 440, 603)),
        ("dog", 0.5, (387, 197, 668, 606)),
    ]
    for label, score, box in expected:
        fits = [found for found in record["detections"] if found["label"] == label and iou(found["box"], box) >= 0.9]
        assert len(fits) == 1, (label, box, record["detections"])
        assert abs(fits[0]["score"] - score) <= 0.05


def test_model_without_metadata_takes_labels_from_a_file(test_data: Path) -> None:
    labels = test_data / "models/ssd_mobilenet_v1_coco_quant.labels.txt"
    bare = test_data / "models/ssd_mobilenet_v1_coco_quant_no_metadata.tflite"
    picture = ("--source", test_data / "media/pets.jpg")
    (record,) = detect("--model", bare, "--labels", labels, *picture)
    assert [found["label"] for found in record["detections"][:2]] == ["dog", "dog"]
    (numbers,) = detect("--model", bare, *picture)
    assert {found["label"] for found in numbers["detections"]} == {"17"}


def test_model_that_puts_out_anchors_is_read_as_its_manifest_says(test_data: Path, tmp_path: Path) -> None:
    name = "ssd_mobilenet_v2_fpnlite_256_int8"
    for suffix in (".tflite", ".labels.txt"):
        (tmp_path / f"{name}{suffix}").symlink_to(test_data / "models" / f"{name}{suffix}")
    (tmp_path / "model.toml").write_text(
        f'name = "fpnlite"\nlabels_file = "{name}.labels.txt"\n[files]\ncpu = "{name}.tflite"\n'
        '[decoder]\nname = "ssd_corners"\noutput_order = "scores,offsets,anchors"\n'
    )
    (record,) = detect("--model", tmp_path, "--source", test_data / "media/cat.bmp")
    assert [found["label"] for found in record["detections"]] == ["cat"]
    assert iou(record["detections"][0]["box"], (29, 39, 377, 347)) >= 0.8
    (record,) = detect("--model", tmp_path, "--source", test_data / "media/pets.jpg")
    expected: list[Box] = [(343, 162, 495, 369), (121, 49, 250, 295)]
    assert [found["label"] for found in record["detections"]] == ["dog", "dog"]
    assert all(max(iou(found["box"], box) for box in expected) >= 0.7 for found in record["detections"])


def test_every_frame_of_a_clip_and_every_picture_of_a_directory(test_data: Path, tmp_path: Path) -> None:
    records = detect("--model", test_data / SSD, "--source", test_data / "labelled")
    assert [Path(record["source"]).name for record in records] == sorted(
        path.name for path in (test_data / "labelled").glob("*.jpg")
    )
    model = ("--model", test_data / SSD, "--threshold", "0.6")
    frames = detect(*model, "--source", test_data / "media/bottle-detection.mp4", "--threads", "2")
    assert [record["frame"] for record in frames] == list(range(1189))
    assert max((found["score"] for record in frames for found in record["detections"]), default=0) > 0.6
    assert all(found["score"] >= 0.6 for record in frames for found in record["detections"])


def test_table_and_drawn_pictures(test_data: Path, tmp_path: Path) -> None:
    done = edged("detect", "--model", test_data / SSD, "--source", test_data / "media/cat.bmp", "--draw", tmp_path / "drawn")
    assert done.returncode == 0
    assert "cat" in done.stdout
    (picture,) = (tmp_path / "drawn").iterdir()
    assert picture.read_bytes()[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "no-such-model", "--source", "x.jpg"), "no model of the catalogue"),
        (("--model", "./missing.tflite", "--source", "x.jpg"), "missing.tflite"),
    ],
)
def test_mistakes_are_explained(arguments: tuple[str, ...], says: str) -> None:
    done = edged("detect", *arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_source_that_is_no_picture_is_explained(test_data: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    for source in (tmp_path / "broken.jpg", tmp_path / "absent.png"):
        done = edged("detect", "--model", test_data / SSD, "--source", source)
        assert done.returncode == 1
        assert source.name in done.stderr
        assert "Traceback" not in done.stderr


def test_version_names_what_runs(test_data: Path) -> None:
    found = json.loads(edged("version", "--json").stdout)
    assert found.keys() >= {"edged", "python", "runtimes", "delegates", "opencv"}
    assert found["runtimes"][0].startswith("ai-edge-litert 2")
    assert found["delegates"] == ["xnnpack"]


def test_schemas_are_printed() -> None:
    assert {"device", "models", "cameras", "mqtt"} <= json.loads(edged("config", "schema").stdout)["properties"].keys()
    payloads = json.loads(edged("config", "payloads").stdout)
    assert {
        "object_appeared",
        "object_left",
        "source_lost",
        "source_back",
        "model_changed",
        "camera",
        "model",
        "live",
    } <= payloads.keys()
