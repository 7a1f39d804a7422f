"""A build for a model has the operators of that model, and what the engine lacks is said when the build is configured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from building import FIRMWARE

from edged.core.errors import ModelRejected
from edged.tooling.mcu_operators import operators


def configured(model: Path, into: Path) -> subprocess.CompletedProcess[str]:
    command = ["cmake", "--preset", "mps2-an385", "-B", into, f"-DEDGED_MODEL={model}", f"-DEDGED_PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=FIRMWARE, capture_output=True, text=True, check=False)


def test_operators_are_listed_once(test_data: Path) -> None:
    models = [test_data / "models" / f"{name}.tflite" for name in ("person_detect", "hello_world_int8")]
    assert operators(models) == ("AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "RESHAPE", "SOFTMAX")


def test_what_is_no_model_has_none(tmp_path: Path) -> None:
    (tmp_path / "no.tflite").write_bytes(b"no model")
    with pytest.raises(ModelRejected):
        operators([tmp_path / "no.tflite"])


def test_a_build_registers_what_a_model_needs(test_data: Path, tmp_path: Path) -> None:
    done = configured(test_data / "models" / "hello_world_int8.tflite", tmp_path)
    assert done.returncode == 0, done.stderr
    registered = (tmp_path / "ml" / "native" / "registry.cc").read_text()
    assert "&kFullyConnected," in registered
    assert "&kConv2d," not in registered


def test_an_operator_that_the_engine_lacks_is_named(test_data: Path, tmp_path: Path) -> None:
    done = configured(test_data / "models" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite", tmp_path)
    assert done.returncode != 0
    assert "no operator edgetpu-custom-op" in done.stderr
