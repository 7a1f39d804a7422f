"""What ``edged mcu`` says when a person gets something wrong, and that it leaves things as they were."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from boards import plugged_in, with_images

from edged.cli.main import main
from edged.cli.mcu_build import what_failed
from edged.mcu.package import build
from edged.testing.candidates import write_candidate
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard, Tensor
from edged.testing.mcu_image import make_image
from edged.testing.mcu_slots import Refused, Slots
from edged.testing.network import Network
from edged.testing.tflite import make_tflite

Say = Callable[..., str]
FLOAT32 = 0


@pytest.fixture
def mcu() -> Iterator[FakeMcu]:
    with plugged_in(FakeMcu(with_images(FakeBoard()), health_s=5)) as mcu:
        yield mcu


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], mcu: FakeMcu) -> Say:
    """Runs a command that has to fail, on the board if it is one of those; gives what it complains of."""

    def said(*words: object, status: int = 1) -> str:
        port = () if words[0] in {"sign", "keygen", "build"} else ("--port", mcu.path)
        assert main(["mcu", *map(str, words), *map(str, port)]) == status
        return capsys.readouterr().err.replace("\n", " ")

    return said


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    assert main(["mcu", "keygen", str(tmp_path / "dev.pem")]) == 0
    return tmp_path / "dev.pem"


def test_neither_half_of_a_key_is_overwritten(said: Say, key: Path) -> None:
    public = key.with_name("dev.pub.pem")
    before = public.read_bytes()
    assert "dev.pub.pem is there already" in said("keygen", key)
    key.rename(key.with_name("elsewhere.pem"))
    assert "dev.pub.pem is there already" in said("keygen", key)
    assert public.read_bytes() == before
    assert not key.exists()
    public.unlink()
    key.mkdir()
    assert "dev.pem is there already" in said("keygen", key)
    assert not public.exists()
    key.rmdir()
    assert main(["mcu", "keygen", str(key)]) == 0


def test_a_key_signs_only_if_it_is_private(said: Say, key: Path, tmp_path: Path) -> None:
    words = ("sign", written(tmp_path / "app.bin", b"code"), "--board", "host", "--version", "1.0.0", "--key")
    assert "is a public key" in said(*words, key.with_name("dev.pub.pem"))
    assert "no unencrypted PEM key" in said(*words, tmp_path / "app.bin")
    key.chmod(0o644)
    assert "chmod 600" in said(*words, key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o644
    assert not (tmp_path / "app.signed.bin").exists()


def test_what_cannot_be_signed(said: Say, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = ("--key", key, "--version", "1.0.0", "--board", "host")
    firmware = written(tmp_path / "app.bin", b"code")
    for counter in (-1, 2**32):
        assert "a counter is from 0 to 4,294,967,295" in said("sign", firmware, *common, "--counter", counter)
    assert "runs anywhere" in said("sign", firmware, *common, "--load-address", "0x100")
    assert "is no file" in said("sign", "/dev/zero", *common)
    assert main(["mcu", "sign", str(firmware), *map(str, common)]) == 0
    assert "signed image already" in said("sign", tmp_path / "app.signed.bin", *common)
    model = written(tmp_path / "person.tflite", make_tflite())
    assert "not linked" in said("sign", model, *common, "--load-address", "0x100")
    assert "--noise, --input: with --no-golden" in said("sign", model, *common, "--no-golden", "--noise", 1, "--input", model)
    assert "--name, --tolerance: this is a firmware" in said("sign", firmware, *common, "--name", "x", "--tolerance", 1)
    assert "--name gives it another" in said("sign", model, *common, "--no-golden", "--name", "x" * 32)
    monkeypatch.chdir(tmp_path)
    assert "no model.toml" in said("sign", ".", *common)


def test_a_bundle_keeps_the_whole_name_of_its_directory(
    said: Say, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network((1, 32, 32, 3), "int8", 1 / 255, -128)
    scores = network.reshape(network.average(network.input, 32), (1, 3))
    directory = write_candidate(tmp_path / "colours.v1", network.build([network.quantise(scores, "int8", 1 / 255, -128)]))
    monkeypatch.chdir(directory)
    for file in (directory, Path()):
        words = ["mcu", "sign", str(file), "--key", str(key), "--version", "1.0.0", "--board", "host", "--no-golden", "--json"]
        capsys.readouterr()
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["file"] == str(tmp_path / "colours.v1.signed.bin")


def test_a_model_is_one_by_what_is_in_the_file(key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = written(tmp_path / "person.bin", make_tflite())
    words = ("mcu", "sign", model, "--key", key, "--version", "1.0.0", "--board", "host", "--no-golden", "--json")
    capsys.readouterr()
    assert main([*map(str, words)]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert (record["kind"], record["golden_vectors"]) == ("model", 0)
    assert "proves nothing but that the model loads" in said.err.replace("\n", " ")


def test_what_is_no_image_is_named(said: Say, tmp_path: Path) -> None:
    text = written(tmp_path / "notes.txt", b"Things to do")
    model = written(tmp_path / "person.tflite", make_tflite())
    for verb in ("flash", "model"):
        assert "notes.txt: this is no signed image" in said(verb, text)
        complaint = said(verb, model)
        assert "is a model that is not signed yet" in complaint
        assert "`edged mcu sign" in complaint


def test_a_model_that_no_slot_holds(said: Say, mcu: FakeMcu, tmp_path: Path) -> None:
    mcu.board.slot_bytes = 500
    image = make_image(build(make_tflite()), mcu.board.key, board="host", model="person", version=(2, 0, 0))
    assert "500" in said("model", written(tmp_path / "m.bin", image))
    assert mcu.board.model.upload is None


@pytest.mark.parametrize(("code", "reason"), [(5, "no signature that it trusts"), (25, "linked for another address")])
def test_an_image_that_is_refused_for_good_is_sent_once(
    code: int, reason: str, said: Say, mcu: FakeMcu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a board says of all of it with the last piece; the same bytes would be refused again."""
    image = make_image(bytes(9000), mcu.board.key, board="host", version=(2, 0, 0))
    write, begun = Slots.write, []

    def judging(slots: Slots, offset: int, data: bytes, length: int | None, sha: bytes | None) -> int:
        if offset == 0:
            begun.append(length)
        if offset + len(data) == len(image):
            raise Refused(code)
        return write(slots, offset, data, length, sha)

    monkeypatch.setattr(Slots, "write", judging)
    complaint = said("flash", written(tmp_path / "app.bin", image))
    assert reason in complaint
    assert complaint.rstrip().endswith("What runs is what ran before.")
    assert "again" not in complaint
    assert len(begun) == 1


def test_inputs_that_the_model_does_not_take(said: Say, mcu: FakeMcu, tmp_path: Path) -> None:
    words = ("--value", 1) * 3
    assert "takes 4 numbers, and 3 came" in said("run", *words)
    assert "no NaN" in said("run", *words, "--value", "nan")
    assert "takes 1 input, and none is given" in said("run")
    assert "one or the other" in said("run", tmp_path / "absent.bin", *words, "--value", 1)
    assert "is sound" in said("run", written(tmp_path / "yes.wav", b"RIFF" + bytes(8)))
    assert said("run", tmp_path / "absent.bin").rstrip().endswith("absent.bin: No such file or directory")
    picture = written(tmp_path / "p.bmp", b"BM")
    assert "takes no picture" in said("run", picture)
    mcu.board.inputs = (Tensor((1, 2, 2, 1)),)
    assert "p.bmp is no picture" in said("run", picture)
    assert "e.bmp is no picture" in said("run", written(tmp_path / "e.bmp", b""))
    assert mcu.board.inferences == 0


def test_a_picture_that_is_not_there_is_said_to_be_none(mcu: FakeMcu, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And nothing else is: what OpenCV prints goes past Python's own streams."""
    mcu.board.inputs = (Tensor((1, 2, 2, 1)),)
    assert main(["mcu", "run", str(tmp_path / "absent.bmp"), "--port", str(mcu.path)]) == 1
    assert capfd.readouterr().err.replace("\n", "").endswith("absent.bmp: No such file or directory")


def test_labels_that_are_none(said: Say, tmp_path: Path) -> None:
    words = ("run", *("--value", 1) * 4, "--labels")
    assert "No such file" in said(*words, tmp_path / "absent")
    assert "is not UTF-8" in said(*words, written(tmp_path / "binary", b"\xff\xfe"))
    assert "not a file" in said(*words, tmp_path)


def test_floats_are_floats(mcu: FakeMcu, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.array([0.5, -2.0], np.float32)
    mcu.board.inputs = (Tensor((1, 4)),)
    mcu.board.outputs = (Tensor((1, 2), scale=0.0, zero=0, dtype=FLOAT32),)
    mcu.board.infer = lambda inputs: [values.tobytes()]
    port = ["--port", str(mcu.path)]
    assert main(["mcu", "run", *["--value", "1"] * 4, "--json", *port]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"][0]["stored"] == values.tolist()
    mcu.board.infer = lambda inputs: [np.array([np.nan, np.inf], np.float32).tobytes()]
    assert main(["mcu", "run", *["--value", "1"] * 4, "--json", *port]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["outputs"][0]["real"] == [None, None]
    assert main(["mcu", "info", *port]) == 0
    assert "float32 1x2" in capsys.readouterr().out


def test_a_model_to_compare_with_is_the_one_on_the_board(said: Say, tmp_path: Path) -> None:
    assert "No such file" in said("bench", "--count", 1, "--model", tmp_path / "absent.tflite")
    assert "TFL3" in said("bench", "--count", 1, "--model", written(tmp_path / "x.tflite", os.urandom(1000)))


def test_numbers_of_a_command_line(mcu: FakeMcu, capsys: pytest.CaptureFixture[str]) -> None:
    for words, reason in (
        (("bench", "--count", "0"), "no whole number above 0"),
        (("info", "--baud", "fast"), "no whole number above 0"),
        (("flash", "x", "--address", "there"), "no address"),
        (("sign", "x", "--load-address", "0x100000000"), "no address"),
        (("sign", "x", "--noise", "-1"), "no whole number"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["mcu", *words])
        assert ended.value.code == 2
        assert reason in capsys.readouterr().err


def test_a_build_trusts_public_keys_only(said: Say, key: Path, tmp_path: Path) -> None:
    assert "is no public key" in said("build", "host", "--key", key)
    assert "No such file" in said("build", "host", "--key", tmp_path / "absent.pem")


def test_why_something_does_not_build() -> None:
    cmake = ["-- The C compiler", "CMake Error at cmake/key.cmake:15 (message):", "no key there, and", "none here", "-- Incomplete"]
    assert what_failed(cmake) == ["no key there, and none here"]
    assert what_failed(["a.cc:1:2: error: no such thing", "1 | int", "ninja: stopped"]) == ["a.cc:1:2: error: no such thing"]


UPLOAD, RESET, STATE = (1, 1), (0, 5), (1, 0)
"""Group and command."""


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Has a Ctrl-C come when a board is first told to do something; it does not do it."""
    main_thread = threading.get_ident()
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background has it ignored

    def interrupt(when: tuple[int, int], *, on_trial: bool = False) -> None:
        handle = FakeBoard.handle

        def interrupted(board: FakeBoard, message: bytes) -> bytes | None:
            write, group, command = message[0] & 7 == 2, int.from_bytes(message[4:6], "big"), message[7]
            if write and (group, command) == when and (board.model.state == "trial" or not on_trial):
                monkeypatch.setattr(FakeBoard, "handle", handle)
                signal.pthread_kill(main_thread, signal.SIGINT)  # a signal to the process may end in this thread
                return None
            return handle(board, message)

        monkeypatch.setattr(FakeBoard, "handle", interrupted)

    yield interrupt
    signal.signal(signal.SIGINT, heeded)


@pytest.mark.parametrize(("when", "on_trial"), [(UPLOAD, False), (RESET, False), (STATE, True)])
def test_an_interruption_says_what_was_begun(
    when: tuple[int, int], on_trial: bool, interrupt: Callable[..., None], said: Say, mcu: FakeMcu, tmp_path: Path
) -> None:
    """During the upload, at the reset into the new image, and while it is confirmed."""
    image = make_image(build(make_tflite() + bytes(9000)), mcu.board.key, board="host", model="person", version=(2, 0, 0))
    words = ("model", written(tmp_path / "m.bin", image))
    interrupt(when, on_trial=on_trial)
    complaint = said(*words, status=130)
    assert ("What runs was not touched" in complaint) == (when == UPLOAD), complaint
    assert ("has been told to try the new model" in complaint) == (when != UPLOAD), complaint
    assert said(*words, status=0) == ""
    assert mcu.board.model.state == "confirmed"


def test_a_way_back_that_is_interrupted(interrupt: Callable[..., None], said: Say, mcu: FakeMcu, tmp_path: Path) -> None:
    image = make_image(build(make_tflite()), mcu.board.key, board="host", model="person", version=(2, 0, 0))
    assert said("model", written(tmp_path / "m.bin", image), status=0) == ""
    interrupt(RESET)
    assert "`edged mcu info` says what runs" in said("revert", "--model", status=130)


def test_another_tool_that_is_interrupted(interrupt: Callable[..., None], said: Say, mcu: FakeMcu, tmp_path: Path) -> None:
    image = make_image(bytes(9000), mcu.board.key, board="host", version=(2, 0, 0))
    interrupt(UPLOAD)
    words = ("flash", written(tmp_path / "app.bin", image), "--tool", "mcuboot")
    assert "may not be whole" in said(*words, status=130)


def test_what_runs_already_is_not_sent(said: Say, mcu: FakeMcu, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = make_image(build(make_tflite()), mcu.board.key, board="host", model="person", version=(2, 0, 0))
    for reason in ("Sent ", "the board runs it already"):
        assert main(["mcu", "model", str(written(tmp_path / "m.bin", image)), "--port", str(mcu.path)]) == 0
        assert reason in capsys.readouterr().out


def test_a_refused_confirmation_does_not_deny_the_trial(
    said: Say, mcu: FakeMcu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make_image(build(make_tflite()), mcu.board.key, board="host", model="person", version=(2, 0, 0))
    handle = FakeBoard.handle

    def refuses(board: FakeBoard, message: bytes) -> bytes | None:
        if board.model.state == "trial" and message[0] & 7 == 2 and message[4:6] == b"\0\1" and message[7] == 0:
            board.self_test = "failed"
        return handle(board, message)

    monkeypatch.setattr(FakeBoard, "handle", refuses)
    complaint = said("model", written(tmp_path / "m.bin", image))
    assert "What runs is what ran before" not in complaint
    assert "on trial" in complaint


def test_an_image_that_failed_on_trial_is_not_called_fine(said: Say, mcu: FakeMcu, tmp_path: Path) -> None:
    image = make_image(build(make_tflite()), mcu.board.key, board="host", model="person", version=(2, 0, 0))
    mcu.board.self_test = "failed"
    for reason in ("the new model fails its self-test", "on trial already, and fails its self-test"):
        assert reason in said("model", written(tmp_path / "m.bin", image))
    assert "on trial already" in said("model", tmp_path / "m.bin", "--trial")


def test_a_loader_runs_no_model(said: Say, mcu: FakeMcu) -> None:
    mcu.board.in_loader = True
    for words in (("run", "--value", 1), ("bench",)):
        assert "is in its loader" in said(*words)


def test_a_model_of_other_inputs_is_not_compared_with(said: Say, tmp_path: Path) -> None:
    network = Network((1, 32, 32, 3), "int8", 1 / 255, -128)
    model = written(tmp_path / "other.tflite", network.build([network.average(network.input, 32)]))
    assert "takes other inputs" in said("bench", "--count", 1, "--model", model)
