from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged.cli.main import main
from edged.testing import hostile

SSD = "models/ssd_mobilenet_v1_coco_quant.tflite"


def test_a_sound_model_passes(test_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "verify", str(test_data / SSD)]) == 0
    printed = capsys.readouterr().out
    for words in ("no network", "files", "xnnpack takes", "ssd_postprocess reads them", "MB at most", "passed"):
        assert words in printed
    assert "failed" not in printed


def test_a_refused_one_says_where_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(hostile.hanging())
    assert main(["model", "verify", str(path), "--decoder", "blazeface", "--deadline", "3"]) == 1
    printed = capsys.readouterr().out
    assert "refused: hanging" in printed
    assert printed.count("failed") == 1
    assert printed.count("passed") == 5  # the sandbox, files, graph, signature, memory


def test_for_programs_it_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(hostile.eating(5000))
    assert main(["model", "verify", str(path), "--decoder", "blazeface", "--memory", "100", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert found["refusal"]["fault"] == "does not fit memory"
    assert "100.0 MB are there" in found["refusal"]["message"]
    assert [passed["step"] for passed in found["passed"]] == ["files", "graph", "signature"]
    assert found["measures"] is None


@pytest.mark.parametrize("words", [["--memory", "0"], ["--deadline", "0"], ["--deadline", "nan"], ["--threads", "-1"]])
def test_limits_that_make_no_sense_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["model", "verify", "m.tflite", *words])


def test_a_path_to_nothing_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "verify", "./nowhere"]) == 1
    assert "neither a bundle directory nor a .tflite" in capsys.readouterr().err
