"""A classifier of the whole picture: by itself, and as objects that appear and leave in a daemon."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import running

MODEL = "models/mobilenet_v1_0.25_128_quant.tflite"
WHOLE = {"cat.bmp": [0, 0, 512, 341], "pets.jpg": [0, 0, 512, 430]}


def test_a_bare_file_says_by_its_metadata_that_it_is_a_classifier(test_data: Path) -> None:
    for picture, labels in (("cat.bmp", {"tiger cat", "tabby, tabby cat"}), ("pets.jpg", {"Saluki, gazelle hound", "whippet"})):
        source = test_data / "media" / picture
        command = [sys.executable, "-m", "edged", "detect", "--json", "--threshold", "0.1"]
        done = subprocess.run(
            [*command, "--model", test_data / MODEL, "--source", source], capture_output=True, text=True, check=True
        )
        (found,) = json.loads(done.stdout)["detections"]
        assert found["label"] in labels
        assert found["box"] == WHOLE[picture]


def test_what_a_scene_shows_appears_and_leaves(test_data: Path, tmp_path: Path) -> None:
    """Two seconds of a cat, two of dogs: each is one object, and a class that is seen no more has left."""
    bundle, pictures = tmp_path / "bundle", tmp_path / "pictures"
    bundle.mkdir(), pictures.mkdir()
    for suffix in (".tflite", ".labels.txt"):
        shutil.copy((test_data / MODEL).with_suffix("").as_posix() + suffix, bundle)
    (bundle / "model.toml").write_text(
        'name = "scene"\nlabels_file = "mobilenet_v1_0.25_128_quant.labels.txt"\n'
        '[files]\ncpu = "mobilenet_v1_0.25_128_quant.tflite"\n'
        '[decoder]\nname = "classification"\nscore_threshold = 0.25\ntop_k = 3\nbackground = true\n'
    )
    for number in range(40):
        (pictures / f"{number:02}.picture{'.bmp' if number < 20 else '.jpg'}").symlink_to(
            test_data / "media" / ("cat.bmp" if number < 20 else "pets.jpg")
        )
    config = tmp_path / "edged.toml"
    config.write_text(f"""
        [device]
        name = "pi"
        state_directory = "{tmp_path / "state"}"
        [models.scene]
        bundle = "{bundle}"
        [cameras.gate]
        model = "scene"
        file = {{ path = "{pictures}", pace = "fast", pictures_per_s = 10 }}
        [sinks]
        jsonl = "{tmp_path / "events.jsonl"}"
    """)
    with running(config) as daemon:
        assert daemon.wait()[0] == 0, daemon.log
    events: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    story = [(event["kind"], event["label"]) for event in events if event["kind"].startswith("object")]
    cat, dog = "tiger cat", "Saluki, gazelle hound"
    assert story == [("object_appeared", cat), ("object_appeared", dog), ("object_left", cat), ("object_left", dog)]
    left = next(event for event in events if event["kind"] == "object_left")
    assert left["reason"] == "left"
    assert 1.8 <= left["dwell_s"] <= 2
    assert left["best_box"] == WHOLE["cat.bmp"]
