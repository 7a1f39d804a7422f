"""``edged mcu build --model``: what a board is to run decides what is linked, and what was left out is refused by name."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from building import FIRMWARE, JOBS, need_tools

from edged.cli.main import main
from edged.testing.mcu_program import McuProgram

MOST_CODE_BYTES = 40 * 1024
"""Of the engine with the operators of person_detect on a Cortex-M3."""


@pytest.fixture(scope="module")
def measuring() -> Iterator[ModuleType]:
    """`scripts/bench mcu`, which knows what of a program is the engine."""
    spec = importlib.util.spec_from_file_location("bench_mcu", FIRMWARE.parent / "scripts" / "benchmarks" / "mcu.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


def test_the_engine_for_one_model_is_small(measuring: ModuleType, test_data: Path, tmp_path: Path) -> None:
    need_tools("mps2-an385")
    person = test_data / "models" / "person_detect.tflite"
    definitions = (f"-DEDGED_MODEL={person}", f"-DEDGED_PYTHON={sys.executable}")
    configure = ["cmake", "--preset", "mps2-an385", "-B", tmp_path, *definitions]
    subprocess.run(configure, cwd=FIRMWARE, capture_output=True, check=True)
    build = ["cmake", "--build", tmp_path, "--target", "edged_ml_bench.elf", "-j", str(JOBS)]  # the engine, and nothing of the rest
    subprocess.run(build, capture_output=True, check=True)
    assert 0 < measuring.engine_bytes(tmp_path / "edged_ml_bench.elf") <= MOST_CODE_BYTES
    registered = (tmp_path / "ml" / "native" / "registry.cc").read_text()
    assert "&kConv2d," in registered
    assert "&kSvdf," not in registered


def test_an_operator_that_was_left_out_is_named(test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need_tools("host")
    person, hello = (test_data / "models" / f"{name}.tflite" for name in ("person_detect", "hello_world_int8"))
    key, built, port = tmp_path / "key.pem", tmp_path / "built", tmp_path / "port"
    assert main(["mcu", "keygen", str(key)]) == 0
    words = ["mcu", "build", "host", "--key", str(tmp_path / "key.pub.pem"), "--output", str(built)]
    assert main([*words, "--model", str(person)]) == 0
    signing = ["--key", str(key), "--board", "host", "--version", "1.0.0"]
    (tmp_path / "app.bin").write_bytes(b"identity only")
    assert main(["mcu", "sign", str(tmp_path / "app.bin"), *signing]) == 0
    for model in (person, hello):
        assert main(["mcu", "sign", str(model), *signing, "--output", str(tmp_path / f"{model.stem}.bin"), "--noise", "1"]) == 0
    with McuProgram(built / "edged-mcu", tmp_path / "flash", port):
        on = ["--port", str(port)]
        assert main(["mcu", "flash", str(tmp_path / "app.signed.bin"), *on]) == 0
        assert main(["mcu", "model", str(tmp_path / "person_detect.bin"), *on]) == 0
        capsys.readouterr()
        assert main(["mcu", "model", str(tmp_path / "hello_world_int8.bin"), *on]) == 1
        said = capsys.readouterr().err.replace("\n", " ")
        assert "operator 0, FULLY_CONNECTED: the board's firmware 1.0.0 (engine native) has no such operator" in said


def test_which_models_is_forgotten_by_the_next_build(tmp_path: Path, test_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And those that cannot be read are named before anything is built."""
    need_tools("host")
    sources, built = tmp_path / "firmware", tmp_path / "built"
    (sources / "ports" / "host").mkdir(parents=True)
    (sources / "ports" / "host" / "CMakeLists.txt").touch()
    preset = {"name": "host", "generator": "Ninja", "cacheVariables": {"EDGED_PORT": "host"}}
    (sources / "CMakePresets.json").write_text(json.dumps({"version": 3, "configurePresets": [preset]}))
    script = 'project(none NONE)\nfile(WRITE ${CMAKE_BINARY_DIR}/app.bin "${EDGED_ENGINE} ${EDGED_MODEL}")\n'
    (sources / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.20)\n{script}")
    words = ["mcu", "build", "host", "--firmware", str(sources), "--output", str(built)]
    models = [test_data / "models" / f"{name}.tflite" for name in ("person_detect", "hello_world_int8")]
    named = [word for model in models for word in ("--model", str(model))]
    for engine in (["--engine", "native"], ["--engine", "tflm", "--tflm-root", str(tmp_path)]):
        assert main([*words, *engine, *named]) == 0
        assert (built / "app.bin").read_text() == f"{engine[1]} {models[0]};{models[1]}"
        assert main([*words, *engine]) == 0
        assert (built / "app.bin").read_text() == f"{engine[1]} "
    (tmp_path / "a;b.tflite").write_bytes(models[0].read_bytes())
    (tmp_path / "none.tflite").write_bytes(b"no model")
    for name, reason in (("absent.tflite", "No such file"), ("none.tflite", "TFL3"), ("a;b.tflite", "semicolon")):
        assert main([*words, "--model", str(tmp_path / name)]) == 1
        assert reason in capsys.readouterr().err
