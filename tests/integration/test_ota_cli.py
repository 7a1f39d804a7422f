"""``edged ota`` as a person or a script uses it."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.cli.main import main
from edged.cli.passphrases import VARIABLE
from edged.infer.bundle import load_bundle
from edged.infer.golden import Stored, parse_golden
from edged.mcu.package import GoldenVector, build
from edged.ota.package import unpack
from edged.testing.mcu_image import Key, make_image
from edged.testing.tflite import make_tflite
from edged.tooling.inspect import inspect, manifest_skeleton

Run = Callable[..., tuple[int, str, str]]

MANIFEST = """\
name = "gate"
version = "7"
licence = "MIT"
[files]
cpu = "m.tflite"
[decoder]
name = "blazeface"
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command; gives the exit status and what it printed and complained of."""
    monkeypatch.setenv(VARIABLE, "correct horse")

    def run(*words: object) -> tuple[int, str, str]:
        status = main(["ota", *map(str, words)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def home(run: Run, tmp_path: Path) -> Path:
    assert run("init", tmp_path / "updates", "--fleet", "farm")[0] == 0
    return tmp_path / "updates"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "gate"
    path.mkdir()
    (path / "model.toml").write_text(MANIFEST)
    (path / "m.tflite").write_bytes(make_tflite())
    return path


def listed(run: Run, home: Path, *options: str) -> dict[str, dict[str, object]]:
    status, text, _ = run("list", home, "--json", *options)
    assert status == 0
    found = json.loads(text)
    assert found["fleet"] == "farm"
    return {channel["channel"]: channel for channel in found["channels"]}


def test_the_life_of_a_model(run: Run, home: Path, bundle: Path) -> None:
    assert run("init", home, "--channel", "beta")[0] == 0
    in_beta = ("--id", "gate", "--channel", "beta")
    status, text, _ = run("sign", home, bundle, "--no-golden", *in_beta, "--group", "testers", "--percent", "0", "--p95-ms", "40")
    assert status == 0
    assert "model/gate sequence 1, version 7" in text
    assert "for group testers" in text
    (bundle / "labels.txt").write_text("cat\n")
    assert run("sign", home, bundle, "--no-golden", *in_beta, "--version", "8", "--machine", "aarch64")[0] == 0
    later = ("--percent", "10", "--not-before", "2030-01-01T00:00")
    assert run("promote", home, "gate", "--from", "beta", "--to", "stable", *later)[0] == 0
    assert "25 % of the devices" in run("rollout", home, "gate", "--channel", "stable", "--percent", "25", "--not-before", "now")[1]
    assert run("rollback", home, "gate", "7", "--channel", "beta")[0] == 0
    assert "revoked" in run("revoke", home, "gate", "8")[1]
    channels = listed(run, home, "--history")
    (stable,), (other,) = channels["stable"]["targets"], channels["beta"]["targets"]
    assert (stable["target"]["sequence"], stable["target"]["version"]) == (3, "8")
    assert stable["target"]["rollout"] == {"seed": "gate-3", "percent": 25, "groups": [], "not_before": 0}
    assert stable["target"]["revoked"] == other["target"]["revoked"] == [stable["sha256"]]
    assert (other["target"]["sequence"], other["target"]["version"], other["target"]["limits"]["p95_ms"]) == (4, "7", 40)
    assert [it["target"]["sequence"] for it in channels["beta"]["history"]] == [2, 1]
    table = run("list", home, "--history")[1]
    assert "revoked" in table
    assert "before" in table


def test_a_model_is_run_and_its_answers_go_along(run: Run, home: Path, tmp_path: Path, test_data: Path) -> None:
    path = tmp_path / "ssd"
    path.mkdir()
    name = "ssd_mobilenet_v1_coco_quant.tflite"
    shutil.copy(test_data / "models" / name, path / name)
    (path / "model.toml").write_text(manifest_skeleton(inspect(path / name)))
    status, _, said = run("sign", home, path, "--id", "ssd", "--picture", test_data / "media/pets.jpg")
    assert status == 0, said
    (target,) = listed(run, home)["stable"]["targets"]
    unpack(home / "blobs" / f"{target['sha256']}.tar", tmp_path / "into")
    golden = parse_golden((tmp_path / "into" / "golden.msgpack").read_bytes(), "golden")
    assert len(golden.vectors) >= 2
    assert isinstance(golden.vectors[0].picture, Stored)
    assert load_bundle(tmp_path / "into").manifest.version == target["target"]["version"]


def test_a_model_that_does_not_run_is_not_signed(run: Run, home: Path, bundle: Path) -> None:
    status, _, complaint = run("sign", home, bundle, "--id", "gate")
    assert (status, complaint != "") == (1, True)
    assert listed(run, home)["stable"]["targets"] == []


def test_signs_what_goes_in_and_out(run: Run, home: Path, bundle: Path) -> None:
    run("sign", home, bundle, "--no-golden", "--id", "gate")
    (target,) = listed(run, home)["stable"]["targets"]
    assert [tensor["dtype"] for tensor in target["target"]["inputs"]] == ["float32"]
    assert target["target"]["outputs"]


def test_an_image_of_a_microcontroller_says_its_version_itself(run: Run, home: Path, tmp_path: Path) -> None:
    image = tmp_path / "firmware 2.bin"
    image.write_bytes(make_image(b"firmware", Key(), board="host", version=(2, 1, 0)))
    assert run("sign", home, image, "--kind", "mcu-firmware", "--id", "board")[0] == 0
    (target,) = listed(run, home)["stable"]["targets"]
    assert target["target"]["version"] == "2.1.0"
    assert run("rollout", home, "mcu-firmware/board", "--percent", "1")[0] == 0


def test_an_image_without_golden_vectors_is_said_to_prove_little(run: Run, home: Path, tmp_path: Path) -> None:
    vector = GoldenVector((bytes(2),), (bytes(2),))
    for number, (vectors, warned) in enumerate((([], True), ([vector], False)), 1):
        image = tmp_path / f"{number}.bin"
        image.write_bytes(make_image(build(make_tflite(), vectors), Key(), board="host", model="person", version=(number, 0, 0)))
        status, _, complaint = run("sign", home, image, "--kind", "mcu-model", "--id", "person")
        assert status == 0, complaint
        assert ("no golden vectors" in complaint) == ("proves nothing but that" in complaint) == warned
        assert ("edged mcu sign" in complaint) == warned


def test_what_no_board_would_take_is_not_signed(run: Run, home: Path, tmp_path: Path) -> None:
    firmware, torn = tmp_path / "firmware.bin", tmp_path / "torn.bin"
    firmware.write_bytes(make_image(b"firmware", Key(), board="host"))
    torn.write_bytes(firmware.read_bytes()[:-1])
    for path, said in (
        (firmware, "expected a model"),
        (torn, "torn.bin"),
        (tmp_path / "none", "No such file"),
        (tmp_path, "files"),
    ):
        status, _, complaint = run("sign", home, path, "--kind", "mcu-model", "--id", "person")
        assert (status, said in complaint.replace("\n", " ")) == (1, True), complaint
    assert listed(run, home)["stable"]["targets"] == []


def test_settings_are_checked_and_signed(run: Run, home: Path, tmp_path: Path) -> None:
    settings = tmp_path / "site.toml"
    settings.write_text("[mqtt]\nhost = 'elsewhere'\n[stor]\n")
    words = ("sign", home, "--config", settings, "--id", "site")
    status, _, complaint = run(*words, "--version", "1")
    assert (status, "site.toml:1: mqtt: is the device's own" in complaint, "site.toml:3: stor" in complaint) == (1, True, True)
    settings.write_text("[models.ssd]\nscore_threshold = 0.4\n")
    status, _, complaint = run(*words)
    assert (status, "--version" in complaint) == (1, True)
    assert run(*words, "--version", "1", "--percent", "10")[0] == 0
    (target,) = listed(run, home)["stable"]["targets"]
    assert target["target"]["kind"] == "config"
    unpack(home / "blobs" / f"{target['sha256']}.tar", tmp_path / "into")
    assert (tmp_path / "into" / "config.toml").read_text() == settings.read_text()
    settings.write_text("[models.ssd]\nscore_threshold = 0.5\n")
    assert run(*words, "--version", "2")[0] == 0
    assert run("rollback", home, "config/site", "1")[0] == 0
    assert run("revoke", home, "config/site", "2")[0] == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["promote", "{home}", "gate", "--from", "stable", "--to", "beta"], "no channel 'beta'"),
        (["rollout", "{home}", "gate", "--percent", "5"], "has no model/gate"),
        (["revoke", "{home}", "gate", "1"], "never published"),
        (["rotate", "{home}"], "no change of keys is under way"),
        (["rotate", "{home}", "everything"], "no role 'everything'"),
        (["sign", "{home}", "{home}/fleet", "--id", "x"], "is no directory"),
        (["sign", "{home}", "{bundle}", "--id", "X/Y", "--no-golden"], "cannot be signed"),
        (["list", "{bundle}"], "no publisher's directory"),
        (["init", "{home}", "--fleet", "other", "--channel", "c"], "is of fleet 'farm'"),
        (["init", "{bundle}/new"], "Name the fleet"),
        (["init", "{bundle}", "--fleet", "farm"], "there already"),
    ],
)
def test_says_what_is_wrong(words: list[str], complaint: str, run: Run, home: Path, bundle: Path) -> None:
    status, _, said = run(*(word.format(home=home, bundle=bundle) for word in words))
    assert status == 1
    assert complaint in said


def test_renews_and_replaces_keys(run: Run, home: Path) -> None:
    assert "channel stable: good until 20" in run("refresh", home)[1]
    status, text, _ = run("rotate", home, "timestamp", "root")
    assert status == 0
    assert "channel stable: root 2" in text
    assert listed(run, home)["stable"]["versions"]["root"] == 2


def test_passphrases_come_from_files_that_others_cannot_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o644)
    status, _, complaint = run("init", tmp_path / "u", "--fleet", "f", "--passphrase-file", secret)
    assert (status, "open to others" in complaint) == (1, True)
    secret.chmod(0o600)
    assert run("init", tmp_path / "u", "--fleet", "f", "--passphrase-file", secret)[0] == 0
    assert run("refresh", tmp_path / "u", "--passphrase-file", secret)[0] == 0
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert run("refresh", tmp_path / "u", "--passphrase-credential", "secret")[0] == 0


def test_asks_a_person_once_for_each_passphrase(run: Run, home: Path) -> None:
    """On a terminal of its own, as `script` would."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "edged", "ota", "refresh", str(home)], environment)
    said = b""
    while b"Passphrase of" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"correct horse\n")
    try:
        while part := os.read(terminal, 1000):
            said += part
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert said.count(b"Passphrase of") == 1
    assert b"correct horse" not in said
    assert b"good until" in said


def test_says_that_there_is_nobody_to_ask(home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "edged", "ota", "refresh", home],
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # no terminal
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "--passphrase-file" in done.stderr
