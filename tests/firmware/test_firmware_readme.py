"""firmware/README.md is true: its commands run, one after the other, with an emulated board at the port."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from emulated import EMCRAFT, program
from qemu import FLASH_BYTES, Qemu, available, blank_flash

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "firmware" / "README.md").read_text(), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
DEMO, EMULATOR = "scripts/mcu_demo", "python3 tests/firmware/qemu.py"

pytestmark = pytest.mark.skipif(not available(), reason="no qemu-system-arm: scripts/test installs it")


@pytest.fixture
def desk(tmp_path: Path, test_data: Path) -> Path:
    """A directory with what the README takes for granted."""
    shutil.copy(test_data / "models" / "person_detect.tflite", tmp_path)
    shutil.copy(test_data / "media" / "person.bmp", tmp_path)
    return tmp_path


def typed(command: str, desk: Path, port: Path | None = None) -> str:
    words = shlex.split(command.replace("PORT", str(port)))
    assert words[0] == "edged"
    done = subprocess.run([sys.executable, "-m", *words], cwd=desk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_command_of_the_readme_runs(desk: Path) -> None:
    commands = [command for command in COMMANDS if not command.startswith((DEMO, EMULATOR))]
    before = [command for command in commands if "PORT" not in command]
    after = [command for command in commands if "PORT" in command]
    assert commands == before + after and len(before) == len(after) == 4
    for command in before:
        typed(command, desk)
    loader = desk / "build/firmware/emcraft-sf2/loader.elf"
    with Qemu(EMCRAFT.qemu, loader, flash=blank_flash(desk / "flash.bin")) as board:
        board.power_on()
        said = [typed(command, desk, board.port) for command in after]
    assert "113" in said[-1]


def test_the_emulator_of_the_readme_says_where_its_line_is(desk: Path) -> None:
    (command,) = [command for command in COMMANDS if command.startswith(EMULATOR)]
    _, script, machine, _, flash = shlex.split(command)
    words = [sys.executable, ROOT / script, machine, program(EMCRAFT, "loader.elf"), desk / flash]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port, _ = process.communicate("")  # the end of its input is a Ctrl-C
    assert process.returncode == 0
    assert port.startswith("/dev/pts/")
    assert (desk / flash).stat().st_size == FLASH_BYTES


def test_the_demo_ends_with_both_answers_over_mqtt(tmp_path: Path, test_data: Path) -> None:
    (command,) = [command for command in COMMANDS if command.startswith(DEMO)]
    words = [sys.executable, "scripts/mcu", *shlex.split(command.replace("DIR", str(test_data)))[1:], "--out", str(tmp_path)]
    environment = {"PYTHONPATH": "tests/firmware", "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^person 0\.941", done.stdout, re.M)
    assert re.search(r"^no person 0\.723", done.stdout, re.M)


def test_the_demo_says_what_is_missing(tmp_path: Path) -> None:
    words = [sys.executable, "scripts/mcu", "--data", str(tmp_path)]
    environment = {"PYTHONPATH": "tests/firmware", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "person_detect.tflite" in done.stdout
