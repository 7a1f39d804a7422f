"""``edged mcu`` as a person or a script uses it, against a board that is no hardware."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from boards import plugged_in, with_images

from edged.cli.main import main
from edged.infer.bundle import load_bundle
from edged.infer.golden import FILE_NAME, encode, parse_golden
from edged.mcu import upload
from edged.mcu.image import parse
from edged.mcu.package import build, read
from edged.mcu.transport import Patience
from edged.testing.candidates import write_candidate
from edged.testing.elf import make_elf
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard, Tensor
from edged.testing.mcu_image import Key, make_image
from edged.testing.network import Network
from edged.testing.tflite import make_tflite
from edged.tooling.golden import make_golden
from edged.tooling.mcu_reference import run_reference
from edged.tooling.mcu_sign import key_hash, public_path

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mcu() -> Iterator[FakeMcu]:
    with plugged_in(FakeMcu(with_images(FakeBoard()), health_s=0.05)) as mcu:
        yield mcu


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; gives the exit status and what it printed and complained of."""

    def run(*words: object) -> tuple[int, str, str]:
        status = main(["mcu", *map(str, words)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def ask(run: Run, mcu: FakeMcu) -> Run:
    """The same, of the board."""
    return lambda *words: run(*words, "--port", mcu.path)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def model(of: FakeBoard, path: Path, payload: bytes | None = None, **changes: object) -> Path:
    wanted = {"board": of.board, "model": "person", "version": (2, 0, 0), "key": of.key, **changes}
    return write(path, make_image(build(make_tflite()) if payload is None else payload, **wanted))  # type: ignore[arg-type]


def test_info_says_what_the_board_is(ask: Run, mcu: FakeMcu) -> None:
    status, text, _ = ask("info")
    assert status == 0
    for part in (
        "host",
        "person 1.0.0 (confirmed)",
        "82,000 of 131,072",
        "int8 1x4",
        "active, confirmed",
        mcu.board.key.hash[:8].hex(),
    ):
        assert part in text
    status, text, _ = ask("info", "--json")
    record = json.loads(text)
    assert (record["board"], record["model"]["name"], record["slots"][1]["active"]) == ("host", "person", True)
    assert record["key"] == mcu.board.key.hash[:8].hex()


def test_the_life_of_a_model(ask: Run, mcu: FakeMcu, tmp_path: Path) -> None:
    image = model(mcu.board, tmp_path / "m.bin")
    status, text, _ = ask("model", image, "--trial")
    assert (status, mcu.board.model.on_trial) == (0, True)
    assert "bytes/s" in text
    assert "person 2.0.0 (trial)" in text
    kept = json.loads(ask("confirm", "--json")[1])
    assert (kept["state"], kept["model"]) == ("confirmed", {"name": "person", "version": "2.0.0", "state": "confirmed"})
    assert not mcu.board.model.on_trial
    status, text, _ = ask("model", image, "--json")
    assert json.loads(text)["outcome"] == "runs already"
    status, text, _ = ask("revert", "--model")
    assert status == 0
    assert "Back to model 1.0.0" in text
    assert ask("info", "--json")[1].count("1.0.0") >= 2
    back = json.loads(ask("revert", "--model", "--json")[1])
    assert (back["kind"], back["model"]["version"]) == ("model", "2.0.0")


def test_a_board_with_usb_of_its_own_takes_its_port_along(run: Run, tmp_path: Path) -> None:
    with plugged_in(FakeMcu(with_images(FakeBoard()), away_s=0.3)) as mcu:
        status, text, complaint = run("model", model(mcu.board, tmp_path / "m.bin"), "--port", mcu.path)
        assert status == 0, complaint
        assert "person 2.0.0 (confirmed)" in text
        assert "went away with the reset" in complaint.replace("\n", " ")
        status, text, _ = run("revert", "--model", "--port", mcu.path)
        assert (status, "Back to model 1.0.0" in text) == (0, True)
        assert mcu.board.resets == 2


def test_a_firmware_is_flashed_and_kept(ask: Run, mcu: FakeMcu, tmp_path: Path) -> None:
    image = write(tmp_path / "app.bin", make_image(b"new", mcu.board.key, board="host", version=(2, 1, 0)))
    status, text, _ = ask("flash", image, "--json")
    assert status == 0
    record = json.loads(text)
    assert (record["outcome"], record["confirmed"], record["self_test"]) == ("sent", True, "passed")
    assert mcu.board.firmware.state == "confirmed"


def test_a_model_that_fails_its_self_test_is_not_kept(ask: Run, mcu: FakeMcu, tmp_path: Path) -> None:
    mcu.board.self_test = "failed"
    status, _, complaint = ask("model", model(mcu.board, tmp_path / "m.bin"))
    assert status == 1
    assert "fails its self-test at golden vector 0" in complaint
    status, _, complaint = ask("confirm")
    assert status == 1
    assert "must not be kept" in complaint
    mcu.board.self_test = "passed"
    status, text, _ = ask("revert")
    assert status == 0
    assert "Back to model 1.0.0" in text
    slots = [line for line in ask("info")[1].splitlines() if line.startswith("model ") and "." in line]
    assert ["not confirmed: failed its trial" in line for line in slots if "2.0.0" in line] == [True], slots


def test_every_reason_to_send_nothing(ask: Run, mcu: FakeMcu, tmp_path: Path) -> None:
    board = mcu.board
    mcu.board.model.floor = 5
    firmware = write(tmp_path / "app.bin", make_image(b"new", board.key, board="host", version=(2, 1, 0)))
    cases = [
        ("model", model(board, tmp_path / "1", board="emcraft-sf2", counter=6), "for a board 'emcraft-sf2'"),
        ("model", model(board, tmp_path / "2", key=Key(), counter=6), "is signed by key"),
        ("model", model(board, tmp_path / "3", counter=4), "takes none below 5"),
        ("model", model(board, tmp_path / "4", build(bytes(2 << 20)), counter=6), "no TFL3 file identifier"),
        ("model", firmware, "is no model"),
        ("flash", tmp_path / "3", "is no firmware"),
        ("flash", write(tmp_path / "6", b"\x7fELF" + bytes(100)), "no signed image"),
        ("flash", write(tmp_path / "7", firmware.read_bytes()[:-1]), "no signed image"),
        ("flash", tmp_path / "absent", "No such file"),
        ("flash", write(tmp_path / "9", make_image(b"new", board.key, board="host", load_address=0x1000)), "is linked for 0x1000"),
    ]
    for verb, path, reason in cases:
        status, _, complaint = ask(verb, path)
        assert status == 1
        assert "same command again" not in complaint
        assert reason in complaint.replace("\n", " "), complaint
    board.arena_bytes = 16
    status, _, complaint = ask("model", model(board, tmp_path / "8", counter=6))
    assert (status, "largest tensor of this model has 32 bytes" in complaint) == (1, True)
    board.slot_bytes = 500
    status, _, complaint = ask("model", tmp_path / "8")
    assert board.firmware.upload is None
    assert board.model.upload is None


def test_an_upload_that_breaks_off_says_how_to_go_on(
    ask: Run, mcu: FakeMcu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = model(mcu.board, tmp_path / "m.bin", build(make_tflite() + os.urandom(100_000)))
    handle, taken = mcu.board.handle, []

    def break_off(message: bytes) -> bytes | None:
        taken.append(message)
        return None if len(taken) > 10 else handle(message)

    with monkeypatch.context() as patience:
        patience.setattr(upload, "PIECE", Patience(0.5, 4))
        patience.setattr(FakeBoard, "handle", lambda self, message: break_off(message))
        status, _, complaint = ask("model", image)
    assert status == 1
    assert "interrupted" in complaint
    assert "same command again: it goes on where it was if the board kept its power" in complaint.replace("\n", " ")
    status, text, _ = ask("model", image)
    assert status == 0
    assert "were there from before" in text


def test_run_pushes_inputs_of_every_kind(ask: Run, mcu: FakeMcu, tmp_path: Path) -> None:
    mcu.board.inputs = (Tensor((1, 2, 2, 1), scale=1.0, zero=0),)
    np.save(tmp_path / "real.npy", np.array([1.0, 2.0, 3.0, 10.0]))
    np.save(tmp_path / "stored.npy", np.array([1, 2, 3, 10], np.int8))
    write(tmp_path / "raw.bin", bytes([1, 2, 3, 10]))
    (tmp_path / "labels.txt").write_text("up\ndown\n")
    for words in (
        (tmp_path / "real.npy",),
        (tmp_path / "stored.npy",),
        (tmp_path / "raw.bin",),
        ("--value", 1, "--value", 2, "--value", 3, "--value", 10),
    ):
        status, text, complaint = ask("run", *words, "--json")
        assert status == 0, complaint
        assert json.loads(text)["outputs"][0]["stored"] == [4, -4]
    status, text, _ = ask("run", tmp_path / "raw.bin", "--labels", tmp_path / "labels.txt")
    assert text.index("up") < text.index("down")
    bitmap = b"BM" + bytes(8) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    bitmap += b"".join(number.to_bytes(4, "little") for number in (2, 2)) + b"\1\0\x08\0" + bytes(24)
    write(tmp_path / "p.bmp", bitmap + bytes([3, 10, 0, 0, 1, 2, 0, 0]))
    assert json.loads(ask("run", tmp_path / "p.bmp", "--raw-pixels", "--json")[1])["outputs"][0]["stored"] == [4, -4]
    for words, reason in (
        (("--value", 1), "takes 4 numbers"),
        ((), "none is given"),
        ((tmp_path / "labels.txt",), "gives 8 bytes"),
        ((tmp_path / "absent.npy",), "No such file"),
    ):
        status, _, complaint = ask("run", *words)
        assert (status, reason in complaint) == (1, True), complaint


def test_run_without_a_model(run: Run) -> None:
    with plugged_in(FakeMcu(with_images(FakeBoard(), model=False))) as mcu:
        status, _, complaint = run("run", "--value", 1, "--port", mcu.path)
    assert (status, "runs no model" in complaint) == (1, True)


def test_monitor_prints_what_comes(ask: Run, mcu: FakeMcu, monkeypatch: pytest.MonkeyPatch) -> None:
    status, text, _ = ask("monitor", "--count", 2, "--json")
    assert status == 0
    records = [json.loads(line) for line in text.splitlines()]
    assert {record["report"] for record in records} == {"health"}
    mcu.health_s = 0.02
    status, text, _ = ask("monitor", "--count", 1)
    assert "self-test passed" in text


def test_bench_measures(ask: Run, mcu: FakeMcu) -> None:
    status, text, _ = ask("bench", "--count", 3, "--json")
    assert status == 0
    assert json.loads(text)["mean_us"] == 1500
    assert "3 inferences: 1,500 us" in ask("bench", "--count", 3)[1]


def test_a_port_that_is_not_there_or_not_chosen(run: Run, tmp_path: Path) -> None:
    status, _, complaint = run("info", "--port", tmp_path / "nowhere")
    assert (status, "there is no port" in complaint) == (1, True)
    status, _, complaint = run("info")
    assert status == 1


def test_keys_and_images_are_made(run: Run, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    made = json.loads(run("keygen", key, "--json")[1])
    assert made == {"private": str(key), "public": str(public_path(key)), "key": key_hash(key)[:8].hex()}
    assert key.stat().st_mode & 0o077 == 0
    assert run("keygen", key)[0] == 1
    firmware = write(tmp_path / "app.bin", b"\0\0\2\x20" * 40)
    common = ("--key", key, "--version", "1.2.3", "--counter", 7)
    write(tmp_path / "app.elf", make_elf(firmware.read_bytes()[:96], 0xA0000200))
    status, text, _ = run("sign", firmware, *common, "--board", "emcraft-sf2", "--json")
    assert status == 0
    record = json.loads(text)
    assert (record["kind"], record["counter"], record["address"]) == ("firmware", 7, 0xA0000000)
    assert run("sign", firmware, *common, "--board", "emcraft-sf2", "--load-address", "0xA0000000")[0] == 0
    write(tmp_path / "odd.elf", b"no program")
    write(tmp_path / "old.elf", make_elf(b"else", 0x200))
    for words, reason in (
        ((write(tmp_path / "lone.bin", b"code"), *common, "--board", "mine"), "--load-address"),
        ((write(tmp_path / "odd.bin", b"code"), *common, "--board", "mine"), "no ELF file"),
        ((write(tmp_path / "old.bin", b"code"), *common, "--board", "mine"), "of another build"),
        ((firmware, *common, "--board", "mine", "--load-address", "0x0"), "is linked for 0xa0000000, not for 0x0"),
        ((firmware, "--key", key, "--version", "one", "--board", "host"), "a version is like"),
        ((firmware, "--key", tmp_path / "no.pem", "--version", "1.0.0", "--board", "host"), "No such file"),
        ((write(tmp_path / "x.elf", b"\x7fELF"), *common, "--board", "host"), "ELF"),
        ((write(tmp_path / "x.tflite", b"no model"), *common, "--board", "host"), "TFL3"),
    ):
        status, _, complaint = run("sign", *words)
        assert (status, reason in complaint.replace("\n", " ")) == (1, True), complaint
    assert public_path(key).is_file()


def test_a_model_is_signed_with_what_the_real_runtime_answers(run: Run, tmp_path: Path, test_data: Path) -> None:
    key, path = tmp_path / "key.pem", tmp_path / "person.tflite"
    path.write_bytes((test_data / "models" / "person_detect.tflite").read_bytes())
    assert run("keygen", key)[0] == 0
    picture = test_data / "media" / "person.bmp"
    words = ("--key", key, "--version", "1.0.0", "--board", "host", "--input", picture, "--raw-pixels", "--noise", 1)
    status, _, complaint = run("sign", path, *words)
    assert (status, complaint) == (0, "")
    package = read(parse((tmp_path / "person.signed.bin").read_bytes()).payload)
    assert len(package.vectors) == 2
    assert package.vectors[0].output[:2] == bytes([256 - 113, 113])


def test_a_bundle_is_signed_with_its_own_golden_vectors(run: Run, tmp_path: Path, test_data: Path) -> None:
    key, network = tmp_path / "key.pem", Network((1, 32, 32, 3), "int8", 1 / 255, -128)
    scores = network.reshape(network.average(network.input, 32), (1, 3))
    directory = write_candidate(tmp_path / "colours", network.build([network.quantise(scores, "int8", 1 / 255, -128)]))
    golden = parse_golden(make_golden(load_bundle(directory), [test_data / "media" / "pets.jpg"]), "golden")
    write(directory / FILE_NAME, encode(golden))
    assert run("keygen", key)[0] == 0
    words = ("sign", directory, "--key", key, "--version", "1.0.0", "--board", "host")
    status, text, complaint = run(*words, "--json")
    assert status == 0, complaint
    record = json.loads(text)
    assert (record["model_name"], record["file"]) == ("colours", str(tmp_path / "colours.signed.bin"))
    package = read(parse((tmp_path / "colours.signed.bin").read_bytes()).payload)
    assert [vector.output[:3] for vector in package.vectors] == [vector.answers[0].values for vector in golden.vectors]
    answered = run_reference(directory / "colours.tflite", [(package.vectors[0].input,)]).outputs[0][0]
    assert all(abs(a - b) <= package.vectors[0].tolerance for a, b in zip(answered, package.vectors[0].output, strict=False))

    (answer,) = golden.vectors[0].answers
    other = bytes(byte ^ 0x10 for byte in answer.values)
    for changed, reason in (
        (msgspec.structs.replace(answer, values=other), "is off by 16 steps"),
        (msgspec.structs.replace(answer, positions=bytes(4), values=answer.values[:1]), "not whole outputs"),
        (msgspec.structs.replace(answer, dtype="float32", values=bytes(12)), "no 8-bit numbers"),
    ):
        vector = msgspec.structs.replace(golden.vectors[0], answers=(changed,))
        write(directory / FILE_NAME, encode(msgspec.structs.replace(golden, vectors=(vector,))))
        status, _, complaint = run(*words)
        assert (status, reason in complaint.replace("\n", " ")) == (1, True), complaint
        assert run(*words, "--no-golden")[0] == 0


def test_list_says_what_there_is(run: Run) -> None:
    """Of this machine, whose ports are not this test's to open."""
    status, text, _ = run("list", "--leave-closed", "--json")
    assert status == 0
    assert isinstance(json.loads(text)["ports"], list)
    assert run("list", "--leave-closed")[0] == 0


def test_build_knows_its_boards_and_what_it_needs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, text, _ = run("build", "--json")
    assert "host" in json.loads(text)["boards"]
    assert run("build", "toaster")[0] == 1
    status, _, complaint = run("build", "host", "--engine", "tflm", "--output", tmp_path)
    assert (status, "--tflm-root" in complaint) == (1, True)
    assert "--firmware" in run("build", "host", "--firmware", tmp_path)[2]
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _, complaint = run("build", "emcraft-sf2")
    for package in ("cmake", "ninja-build", "gcc-arm-none-eabi"):
        assert package in complaint
