"""A model that TensorFlow Lite Micro dies of is refused, and what was asked for ends as any refusal does."""

from __future__ import annotations

from pathlib import Path

import pytest
from boards import plugged_in, with_images

from edged.cli.main import main
from edged.core.errors import ModelRejected
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.tooling.mcu_reference import input_tensors, run_afresh, run_reference


@pytest.fixture
def deadly(test_data: Path) -> Path:
    """Its interpreter reads where nothing is."""
    return test_data / "models" / "model_invoking_error.tflite"


def test_signing_a_model_that_it_dies_of(deadly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcu", "keygen", str(tmp_path / "k.pem")]) == 0
    words = ["mcu", "sign", str(deadly), "--key", str(tmp_path / "k.pem"), "--board", "host", "--version", "1.0.0"]
    assert main([*words, "--output", str(tmp_path / "x.bin")]) == 1
    said = capsys.readouterr().err.replace("\n", " ")
    assert "model_invoking_error.tflite: TensorFlow Lite Micro ended by SIGSEGV" in said
    assert "--no-golden" in said
    assert not (tmp_path / "x.bin").exists()
    assert main([*words, "--output", str(tmp_path / "x.bin"), "--no-golden"]) == 0


def test_comparing_with_a_model_that_it_dies_of(deadly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with plugged_in(FakeMcu(with_images(FakeBoard()))) as mcu:
        assert main(["mcu", "bench", "--count", "1", "--model", str(deadly), "--port", str(mcu.path)]) == 1
    assert "ended by SIGSEGV" in capsys.readouterr().err.replace("\n", " ")


def test_each_run_afresh_answers_as_one_alone(test_data: Path) -> None:
    model = test_data / "models" / "hello_world_int8.tflite"
    (tensor,) = input_tensors(model)
    assert (tensor.shape, tensor.size_bytes) == ((1, 1), 1)
    asked = [(bytes([value]),) for value in (0, 40, 200)]
    answers = run_afresh(model, asked)
    assert len(set(answers)) == 3
    assert answers == tuple(run_reference(model, [inputs]).outputs[0] for inputs in asked)
    assert run_reference(model, asked).outputs == answers  # which remembers nothing
    with pytest.raises(ModelRejected, match="does not run it"):
        run_reference(model, [(bytes(3),)])
