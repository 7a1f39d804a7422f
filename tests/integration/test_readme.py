"""The README is true: every command in it runs, and its configuration is one."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from qemu import Qemu, available, blank_flash
from support import PATIENCE_S, running, wait_until

from edged.infer.catalogue import default_root
from edged.testing.broker import Mosquitto

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
SUITE = "scripts/test"  # what runs this very test
BOOTED = "systemctl enable --now edged"  # needs a systemd: scripts/booted
VENV, PIP = "sudo python3 -m venv /opt/edged", "sudo /opt/edged/bin/pip install ."  # need root and a package index: scripts/booted
COMPILING_S = 240
"""A compiler on a busy machine; no measure of speed."""
LINK = "sudo ln -sf /opt/edged/bin/edged /usr/local/bin/edged"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as a reader would have it after the commands above: what was pulled, and the README's configuration."""
    desk = tmp_path_factory.mktemp("desk")
    for name in ("blazeface-short", "carphone"):
        shutil.copytree(default_root() / name, desk / name)
    return desk


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def config(desk: Path, broker: Mosquitto) -> Path:
    """The README's own, with the clip that it offers in place of the camera, and a broker that is there."""
    (text,) = blocks("toml")
    camera = re.search(r"v4l2 = .*# or (file = .*)", text)
    assert camera
    text = text.replace(camera.group(0), camera.group(1).replace("clip.mp4", "carphone/carphone_pristine.mp4"))
    path = desk / "edged.toml"
    path.write_text(text.replace('"broker.local"', f'"127.0.0.1"\nport = {broker.port}'))
    return path


def run(command: str, desk: Path, *more: str, patience_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "edged"
    environment = {**os.environ, "STATE_DIRECTORY": str(desk / "state"), "EDGED_OTA_PASSPHRASE": "correct horse battery"}
    return subprocess.run(
        [sys.executable, "-m", *words, *more],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )


def test_every_command_is_run_here() -> None:
    here = Path(__file__).read_text()
    assert len(COMMANDS) > 6
    assert [command for command in COMMANDS if command != SUITE and f'"{command}"' not in here] == []


def test_the_service_is_installed_below_a_root_and_started_where_a_systemd_is(desk: Path) -> None:
    done = run("edged service install", desk, "--root", "system")
    assert done.returncode == 0 or "a service has a /tmp of its own" in done.stderr, done.stderr
    assert repr(BOOTED.split()).strip("[]").replace("'", '"') in (ROOT / "tests/booted/test_service.py").read_text()


def test_the_installation_is_that_of_the_booted_machine_and_works_through_a_link(tmp_path: Path) -> None:
    booted = (ROOT / "scripts/booted").read_text()
    assert VENV.removeprefix("sudo ") in booted
    assert PIP.removeprefix("sudo ").removesuffix(" .") in booted
    link = shlex.split(LINK.removeprefix("sudo ").replace("/opt/edged", sys.prefix).replace("/usr/local/bin", str(tmp_path)))
    subprocess.run(link, check=True)
    done = subprocess.run([tmp_path / "edged", "version"], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert sys.version.split()[0] in done.stdout


def test_the_machine_alone_is_examined(desk: Path) -> None:
    assert "python" in run("edged doctor", desk).stdout


def test_pull_finds_what_is_there(desk: Path) -> None:
    done = run("edged model pull blazeface-short carphone --to .", desk)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is there already") == 2


def test_detect_finds_the_face_of_the_clip(desk: Path) -> None:
    done = run("edged detect --model ./blazeface-short --source carphone/carphone_pristine.mp4", desk)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("face") >= 100  # the clip has 120 frames, with one face in each


def test_verify_says_what_the_model_takes(desk: Path) -> None:
    done = run("edged model verify ./blazeface-short", desk)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict" in done.stdout.lower() or "passed" in done.stdout.lower()


def test_check_and_doctor_approve_of_the_configuration(desk: Path, config: Path) -> None:
    assert "ok" in run("edged check edged.toml", desk).stdout
    done = run("edged doctor --config edged.toml", desk)
    assert done.returncode == 0, done.stdout
    assert "broker" in done.stdout


def test_a_snapshot_is_taken_as_configured(desk: Path, config: Path) -> None:
    assert run("edged camera list", desk).returncode == 0
    done = run("edged camera snapshot door --config edged.toml", desk)
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(desk / "door.jpg")).size


def test_daemon_and_tail_speak_to_each_other(desk: Path, config: Path, broker: Mosquitto) -> None:
    assert "edged run edged.toml" in COMMANDS  # what `running` does
    (tail,) = [command for command in COMMANDS if command == "edged tail --host broker.local --count 10"]
    words = shlex.split(tail.replace("broker.local", f"127.0.0.1 --port {broker.port}").replace("--count 10", "--count 6"))
    with subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, text=True) as listener:
        with running(config, {"STATE_DIRECTORY": str(desk / "state")}) as daemon:
            daemon.wait_for("appeared")
            assert run("edged reload --config edged.toml", desk).stdout == "reloaded: nothing changed\n"
            assert daemon.stop() == 0
        assert listener.stdout
        printed = listener.stdout.read()
        assert listener.wait(PATIENCE_S) == 0
    assert "face" in printed


def test_a_model_is_signed_and_pushed(desk: Path, broker: Mosquitto) -> None:
    def done(command: str) -> str:
        ran = run(command.replace("broker.local", f"127.0.0.1 --port {broker.port}"), desk)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout + ran.stderr

    done("edged ota init publisher --fleet home")
    assert "faces" in done("edged ota sign publisher ./blazeface-short --id faces")
    assert (desk / "publisher/channels/stable.root.json").is_file()
    done("edged ota push publisher --host broker.local")
    done("edged ota status publisher --host broker.local")


def test_a_microcontroller_is_built_for_signed_for_flashed_and_asked(tmp_path: Path, test_data: Path) -> None:
    """The reader's board is one that QEMU emulates; its port is named, for it is none on USB."""
    if not available():
        pytest.skip("no qemu-system-arm: scripts/test installs it")
    for name in ("models/person_detect.tflite", "media/person.bmp"):
        shutil.copy(test_data / name, tmp_path)

    def done(command: str, *more: str) -> str:
        ran = run(command, tmp_path, *more, patience_s=COMPILING_S)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    done("edged mcu list")
    done("edged mcu keygen mine.pem")
    done("edged mcu build emcraft-sf2 --key mine.pub.pem")
    done("edged mcu sign build/firmware/emcraft-sf2/app.bin --key mine.pem --board emcraft-sf2 --version 1.0.0")
    done("edged mcu sign person_detect.tflite --key mine.pem --board emcraft-sf2 --version 1.0.0")
    loader = tmp_path / "build/firmware/emcraft-sf2/loader.elf"
    with Qemu("emcraft-sf2", loader, flash=blank_flash(tmp_path / "flash.bin")) as board:
        board.power_on()
        port = ("--port", str(board.port))
        assert "firmware 1.0.0 (confirmed)" in done("edged mcu flash build/firmware/emcraft-sf2/app.signed.bin", *port)
        assert "person_detect 1.0.0 (confirmed)" in done("edged mcu model person_detect.signed.bin", *port)
        assert "113" in done("edged mcu run person.bmp --raw-pixels", *port)
        assert "self-test passed" in done("edged mcu monitor --count 3", *port)


def test_example_event_has_the_fields_of_the_schema() -> None:
    from edged.mqtt.payload import json_schema

    (example,) = blocks("json")
    (fields,) = [
        definition["properties"]
        for schema in json_schema().values()
        for definition in schema.get("$defs", {"": schema}).values()
        if definition.get("properties", {}).get("kind", {}).get("enum") == ["object_left"]
    ]
    assert json.loads(example.replace(', "…": "…"', "")).keys() <= fields.keys()


def test_demo_shows_and_writes_what_it_sees_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    assert "scripts/demo" in COMMANDS
    log, events = tmp_path / "log", ROOT / "demo-output/events.jsonl"
    events.unlink(missing_ok=True)
    command = ["env", "--default-signal=INT", ROOT / "scripts/demo"]  # a shell that starts tests in the background has it ignored
    with log.open("w") as out, subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out) as demo:
        wait_until(lambda: events.exists() and b"object_appeared" in events.read_bytes(), "a face")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(PATIENCE_S) == 0, log.read_text()
    assert b"object_left" in events.read_bytes()
    assert "face" in log.read_text()
    assert "demo-output/annotated.mp4" in log.read_text()
    video = cv2.VideoCapture(str(ROOT / "demo-output/annotated.mp4"))
    assert video.read()[0]
    video.release()
