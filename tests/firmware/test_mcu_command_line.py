"""``edged mcu`` from a key to an inference, on the firmware's own port for this machine, judged by TFLM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from building import built, development_key
from fuzz_seeds import drawn
from generated_models import one_operator

from edged.cli.main import main
from edged.testing.mcu_program import McuProgram

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[McuProgram]:
    with McuProgram(built("host", "edged-mcu"), tmp_path / "flash", tmp_path / "port") as program:
        yield program


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; gives the exit status and what it printed and complained of."""

    def run(*words: object) -> tuple[int, str, str]:
        status = main(["mcu", *map(str, words)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_from_sources_to_an_inference_and_back(run: Run, program: McuProgram, tmp_path: Path, test_data: Path) -> None:
    port = ("--port", program.path)
    key = development_key("host")
    pictures = test_data / "media"
    model = tmp_path / "person.tflite"
    model.write_bytes((test_data / "models" / "person_detect.tflite").read_bytes())
    code = tmp_path / "app.bin"
    code.write_bytes(b"identity only")

    for version in ("1.0.0", "1.1.0"):
        assert run("sign", code, "--key", key, "--board", "host", "--version", version)[0] == 0
        status, text, complaint = run("flash", tmp_path / "app.signed.bin", *port, "--json")
        assert status == 0, complaint
        assert json.loads(text)["confirmed"]
    status, text, complaint = run("revert", *port)
    assert "Back to firmware 1.0.0" in text, complaint
    assert run("sign", code, "--key", key, "--board", "host", "--version", "1.2.0")[0] == 0
    status, text, complaint = run("flash", tmp_path / "app.signed.bin", *port, "--trial", "--json")
    assert (status, json.loads(text)["confirmed"]) == (0, False), complaint
    assert "Back to firmware 1.0.0" in run("revert", *port)[1]
    status, _, complaint = run("revert", *port)
    assert (status, "nothing to go back to: 1.2.0" in complaint) == (1, True), complaint

    given = ("--input", pictures / "person.bmp", "--raw-pixels", "--noise", 1)
    assert run("sign", model, "--key", key, "--board", "host", "--version", "2.0.0", *given)[0] == 0
    status, text, complaint = run("model", tmp_path / "person.signed.bin", *port, "--json")
    assert status == 0, complaint
    assert json.loads(text)["self_test"] == "passed"

    for name, answer in (("person", [-113, 113]), ("no_person", [57, -57])):
        status, text, complaint = run("run", pictures / f"{name}.bmp", "--raw-pixels", *port, "--json")
        assert status == 0, complaint
        assert json.loads(text)["outputs"][0]["stored"] == answer
    status, text, complaint = run("bench", "--count", 2, "--model", model, *port, "--json")
    assert status == 0, complaint
    assert json.loads(text)["different"] == 0
    assert "person 2.0.0 (confirmed)" in run("info", *port)[1]


def test_what_is_refused_for_good_is_not_told_to_be_repeated(run: Run, program: McuProgram, tmp_path: Path) -> None:
    """A flipped bit of a signature is found by the board; firmware that is linked for an address is not even sent."""
    from edged.mcu.image import parse
    from edged.tooling.mcu_sign import FirmwareLabel, sign_firmware

    key, port, image = development_key("host"), ("--port", program.path), tmp_path / "app.signed.bin"
    data = bytearray(sign_firmware(bytes(20_000), FirmwareLabel("host", "1.0.0", 1), key))
    data[-1] ^= 1
    assert parse(bytes(data)).board == "host", "only the board can tell"
    image.write_bytes(data)
    status, _, complaint = run("flash", image, *port)
    said = complaint.replace("\n", " ")
    assert status == 1
    assert "has no signature that it trusts" in said
    assert "Sign it with the key" in said
    assert "What runs is what ran before" in said
    assert "again" not in said
    image.write_bytes(sign_firmware(bytes(20_000), FirmwareLabel("host", "1.0.0", 1, "loaded", 0xA0000000), key))
    status, _, complaint = run("flash", image, *port)
    assert (status, "is linked for 0xa0000000" in complaint.replace("\n", " ")) == (1, True), complaint
    assert "again" not in complaint


def test_a_model_that_remembers_is_tested_and_compared_from_a_fresh_start(run: Run, program: McuProgram, tmp_path: Path) -> None:
    """SVDF: an answer depends on the inputs before it."""
    port, key = ("--port", program.path), development_key("host")
    code, model = tmp_path / "app.bin", tmp_path / "keyword.tflite"
    code.write_bytes(b"identity only")
    model.write_bytes(drawn(one_operator("SVDF", ["int8"]), 20)[-1].model)
    for source, version in ((code, "1.0.0"), (model, "2.0.0")):
        assert run("sign", source, "--key", key, "--board", "host", "--version", version)[0] == 0
    assert run("flash", tmp_path / "app.signed.bin", *port)[0] == 0
    status, text, complaint = run("model", tmp_path / "keyword.signed.bin", *port, "--json")
    assert status == 0, complaint
    assert (json.loads(text)["self_test"], json.loads(text)["confirmed"]) == ("passed", True)
    for seed in (1, 2):
        status, text, complaint = run("bench", "--count", 4, "--seed", seed, "--model", model, *port, "--json")
        assert status == 0, complaint
    assert json.loads(run("info", *port, "--json")[1])["self_test"] == "passed"


def test_a_model_that_answers_otherwise_is_taken_back(run: Run, program: McuProgram, tmp_path: Path, test_data: Path) -> None:
    """Golden vectors of another model stand for one that computes wrongly."""
    from edged.mcu.package import build
    from edged.tooling.mcu_golden import make_vectors
    from edged.tooling.mcu_sign import FirmwareLabel, ModelLabel, sign_firmware, sign_model

    key, port = development_key("host"), ("--port", program.path)
    model = test_data / "models" / "person_detect.tflite"
    firmware = tmp_path / "app.signed.bin"
    firmware.write_bytes(sign_firmware(b"identity only", FirmwareLabel("host", "1.0.0", 1), key))
    assert run("flash", firmware, *port)[0] == 0
    (vector,) = make_vectors(model, noise=1)
    wrong = [type(vector)(vector.inputs, tuple(bytes(byte ^ 8 for byte in data) for data in vector.outputs))]
    image = tmp_path / "wrong.bin"
    image.write_bytes(sign_model(build(model.read_bytes(), wrong), ModelLabel("host", "person", "1.0.0", 1), key))
    status, _, complaint = run("model", image, *port)
    assert status == 1
    assert "fails its self-test at golden vector 0" in complaint
    status, text, _ = run("info", *port, "--json")
    assert json.loads(text)["model"]["state"] != "confirmed"
