"""The schema, the records that cross to other processes, the examples, the verbs, and what may not be imported."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from edged.cli import check, config
from edged.config.load import load
from edged.config.schema import NAME_PATTERN, default_device_name, json_schema
from edged.sources.settings import FileSettings, SyntheticSettings, V4l2Settings
from edged.tracking.settings import TrackerSettings
from edged.vision.settings import CameraSettings, ModelSettings, VisionSettings, decode_path, encode_path

EXAMPLES = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_load_and_fit_the_schema(path: Path) -> None:
    loaded = load(path)
    assert loaded.cameras or loaded.mcus
    jsonschema.validate(tomllib.loads(path.read_text()), json_schema())


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


def test_schema_is_valid_and_describes_every_key() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    undescribed = [name for name, described in properties(schema) if not described.get("description")]
    assert undescribed == []


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for title, record in [("", schema), *schema["$defs"].items()]:
        for name, described in record.get("properties", {}).items():
            yield f"{title}.{name}", described


@pytest.mark.parametrize(
    "wrong",
    [{"camera": {}}, {"cameras": {"Door": {"model": "m"}}}, {"cameras": {"a": {"model": "m", "v4l2": {"device": -1}}}}],
    ids=["key", "name", "bound"],
)
def test_schema_refuses_what_the_loader_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json_schema())


def test_settings_of_the_vision_process_survive_the_way_to_it() -> None:
    settings = VisionSettings(
        cameras={
            "a": CameraSettings(model="m", annotated=Path("/out/a.mp4"), v4l2=V4l2Settings(device="/dev/v4l/by-id/x")),
            "b": CameraSettings(model="m", required=False, v4l2=V4l2Settings(device=2, pixel_format="MJPG")),
            "c": CameraSettings(model="n", file=FileSettings(path=Path("clip.mp4"), pace="fast")),
            "d": CameraSettings(model="n", stall_after_s=2, synthetic=SyntheticSettings(frames=3)),
        },
        models={"m": ModelSettings(bundle="x", score_threshold=0.5), "n": ModelSettings(bundle="/y.tflite", threads=2)},
        tracking=TrackerSettings(),
        identities={"m": "ab", "n": "cd"},
        run="k3v9",
    )
    data = msgspec.msgpack.encode(settings, enc_hook=encode_path)
    assert msgspec.msgpack.decode(data, type=VisionSettings, dec_hook=decode_path) == settings
    with pytest.raises(TypeError, match="cannot hold object"):
        msgspec.msgpack.encode(object(), enc_hook=encode_path)
    with pytest.raises(msgspec.ValidationError, match="expected Path, got int"):
        msgspec.msgpack.decode(msgspec.msgpack.encode({"path": 5}), type=FileSettings, dec_hook=decode_path)


@pytest.mark.parametrize(
    ("host", "name"),
    [("porch", "porch"), ("Pi_4.local", "pi_4"), ("kitchen pi", "kitchen-pi"), ("-x-", "x"), ("ÄÖ", "edged"), ("h" * 64, "h" * 32)],
)
def test_device_is_named_after_the_host(monkeypatch: pytest.MonkeyPatch, host: str, name: str) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert default_device_name() == name


def test_device_name_fits_its_own_pattern() -> None:
    jsonschema.validate(default_device_name(), {"type": "string", "pattern": NAME_PATTERN})


def test_configuration_loads_without_numpy_and_opencv() -> None:
    """The main process holds no array library: it would cost 30 MB on a Pi."""
    code = (
        "import sys, pathlib, edged.config.load as l\n"
        f"l.load(pathlib.Path({str(EXAMPLES[0])!r}))\n"
        "print(sorted({'numpy', 'cv2', 'av', 'ai_edge_litert'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_check_shows_what_the_file_says(capsys: pytest.CaptureFixture[str]) -> None:
    path = next(path for path in EXAMPLES if path.name == "broker-tls.toml")
    assert run(check, ["check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert f"{path}: ok" in shown
    for expected in ("gate-2 of fleet site-north", "mqtt.example.org:8883, TLS", "usb-046d_HD_Pro_Webcam_C920", "cameras.gate"):
        assert expected in shown


def test_config_schema_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, ["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def run(verb: Any, argv: list[str]) -> int:
    """Run a verb as ``edged`` does, whether or not it is listed there."""
    top = argparse.ArgumentParser()
    verb.register(top.add_subparsers())
    arguments = top.parse_args(argv)
    return int(arguments.run(arguments))
