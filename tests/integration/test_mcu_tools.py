"""Chips that run no firmware of ours: the real tools against what their loaders say, and drives of UF2 loaders."""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from boards import plugged_in, with_images
from esp_rom import EspRom
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from stm32_rom import FLASH, Stm32Rom

from edged.cli import mcu_common
from edged.cli.main import main
from edged.cli.mcu_tools import check_chip
from edged.core.errors import ImageRefused, ToolFailed
from edged.mcu.boards import guess
from edged.mcu.ports import Port
from edged.mcu.tools.esp import EspTool
from edged.mcu.tools.stm32 import Stm32Flash
from edged.mcu.tools.uf2 import Uf2Drive, chip_of, find_drives, read_family
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.testing.mcu_image import make_image

RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59
NO_PARITY = "8n1"
"""A pseudo terminal has none, and stm32flash looks whether it got what it set."""

PROGRAM = bytes(range(256)) * 12


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "app.bin"
    path.write_bytes(PROGRAM)
    return path


@pytest.fixture
def stm32flash() -> None:
    if shutil.which("stm32flash") is None:
        pytest.skip("no stm32flash here")


@pytest.mark.usefixtures("stm32flash")
def test_an_stm32_is_written_verified_and_started(program: Path) -> None:
    shares: list[float] = []
    with Stm32Rom() as chip:
        flasher = Stm32Flash(Path(chip.path), mode=NO_PARITY)
        flasher.check(program)
        said = asyncio.run(flasher.flash(program, shares.append))
    assert chip.flash[: len(PROGRAM)] == PROGRAM
    assert chip.started == FLASH
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert "3,072 bytes written to 0x8000000" in said


@pytest.mark.usefixtures("stm32flash")
def test_an_stm32_whose_flash_does_not_hold_what_was_written(program: Path) -> None:
    with Stm32Rom(damage=True) as chip, pytest.raises(ToolFailed, match=r"Failed to (write|verify)"):
        asyncio.run(Stm32Flash(Path(chip.path), mode=NO_PARITY).flash(program, lambda share: None))
    assert chip.started is None


@pytest.mark.usefixtures("stm32flash")
def test_a_port_that_is_not_there_is_said_before_a_tool_says_less(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcu", "flash", str(program), "--tool", "stm32flash", "--port", "/nowhere/tty"]) == 1
    assert "there is no port /nowhere/tty" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\x7fELF rest", b"UF2\n rest"])
def test_what_is_no_raw_program(tmp_path: Path, content: bytes, stm32flash: None) -> None:
    path = tmp_path / "app.bin"
    path.write_bytes(content)
    with pytest.raises(ImageRefused):
        Stm32Flash(Path("/dev/null")).check(path)


ESP_IMAGE = bytes([0xE9, 1, 2, 0x20]) + PROGRAM


def test_an_esp32_is_written_and_verified(tmp_path: Path) -> None:
    image = tmp_path / "app.bin"
    image.write_bytes(ESP_IMAGE)
    shares: list[float] = []
    with EspRom() as chip:
        flasher = EspTool(Path(chip.path), 0x10000, chip="esp32", stub=False)
        flasher.check(image)
        said = asyncio.run(flasher.flash(image, shares.append))
    assert chip.flash[0x10000 : 0x10000 + len(ESP_IMAGE)] == ESP_IMAGE
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert "written to 0x10000" in said


def test_an_esp32_whose_flash_does_not_hold_what_was_written(tmp_path: Path) -> None:
    image = tmp_path / "app.bin"
    image.write_bytes(ESP_IMAGE)
    with EspRom(damage=True) as chip, pytest.raises(ToolFailed, match="esptool failed"):
        asyncio.run(EspTool(Path(chip.path), 0x10000, chip="esp32", stub=False).flash(image, lambda share: None))


def test_what_is_no_image_for_an_esp32(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageRefused, match="does not begin with 0xe9"):
        EspTool(Path("x"), 0).check(program)
    with EspRom() as chip:
        assert main(["mcu", "flash", str(program), "--tool", "esptool", "--port", chip.path]) == 1
    assert "--address" in capsys.readouterr().err


def test_a_tool_that_is_missing(program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    for flasher, package in ((Stm32Flash(Path("x")), "apt install stm32flash"), (EspTool(Path("x"), 0), "pip install esptool")):
        with pytest.raises(ToolFailed, match="is not installed") as failed:
            flasher.check(program)
        assert package in failed.value.hint


def test_a_board_with_mcuboot_and_the_firmware_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = with_images(FakeBoard(ours=False, buffers=4))
    image = tmp_path / "zephyr.signed.bin"
    image.write_bytes(make_image(PROGRAM, board.key, board="host", version=(3, 0, 0)))
    with plugged_in(FakeMcu(board, away_s=0.2)) as mcu:  # many such boards have USB of their own
        assert main(["mcu", "flash", str(image), "--port", str(mcu.path)]) == 1
        assert "--tool mcuboot" in capsys.readouterr().err
        assert main(["mcu", "flash", str(image), "--port", str(mcu.path), "--tool", "mcuboot"]) == 0
        assert "tried and kept" in capsys.readouterr().out
        assert board.firmware.state == "confirmed"
        running = board.firmware.image(board.firmware.running)
        assert running is not None
        assert running.version == "3.0.0"
        (tmp_path / "x.bin").write_bytes(PROGRAM)
        assert main(["mcu", "flash", str(tmp_path / "x.bin"), "--port", str(mcu.path), "--tool", "mcuboot"]) == 1
        assert "no image for MCUboot" in capsys.readouterr().err


def uf2(family: int | None, *, blocks: int = 4) -> bytes:
    data = b""
    for index in range(blocks):
        flags = 0x2000 if family is not None else 0
        head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, 0x1000_0000 + 256 * index, 256, index, blocks, family or 0)
        data += (head + bytes([index & 0xFF]) * 256).ljust(508, b"\0") + struct.pack("<I", 0x0AB16F30)
    return data


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    path = tmp_path / "drive"
    path.mkdir()
    (path / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n")
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[bytes], Path]:
    def make(data: bytes) -> Path:
        path = tmp_path / "app.uf2"
        path.write_bytes(data)
        return path

    return make


def test_a_uf2_file_is_copied_to_the_drive_of_its_chip(drive: Path, picture: Callable[[bytes], Path], tmp_path: Path) -> None:
    image = picture(uf2(RP2040))
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 {str(drive).replace(' ', chr(92) + '040')} vfat rw 0 0\n/dev/root / ext4 rw 0 0\n")
    assert [(found, chip_of(found)) for found in find_drives(mounts)] == [(drive, "RP2040")]
    flasher = Uf2Drive(mounts=mounts)
    flasher.check(image)
    shares: list[float] = []
    assert "copied to" in asyncio.run(flasher.flash(image, shares.append))
    assert (drive / "app.uf2").read_bytes() == image.read_bytes()
    assert shares[-1] == 1.0


def test_a_block_for_any_chip_may_come_first(drive: Path, picture: Callable[[bytes], Path]) -> None:
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: RP2350\n")
    absolute = uf2(0xE48BFF57, blocks=2)[:512]
    Uf2Drive(drive).check(picture(absolute + uf2(RP2350)))
    for data, reason in (
        (uf2(RP2350) + absolute, "2 kinds of chips"),
        (absolute + absolute + uf2(RP2350), "2 kinds of chips"),
        (absolute, "1 of its 2 blocks are not there"),
        (uf2(0xE48BFF57), "made for RP2XXX absolute"),
    ):
        with pytest.raises(ImageRefused, match=reason):
            Uf2Drive(drive).check(picture(data))


def test_a_tool_that_tells_how_far_it_is_has_a_rate(
    drive: Path, picture: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(mcu_common, "err", Console(file=screen, force_terminal=True, width=120))
    image = picture(uf2(RP2040, blocks=400))
    assert main(["mcu", "flash", str(image), "--drive", str(drive)]) == 0
    assert re.search(r"204\.8/204\.8 .*[kKMG]B/s", screen.getvalue()), screen.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (uf2(RP2350), "made for RP2350"),
        (uf2(0x1234), "made for family 0x00001234"),
        (uf2(None), "does not say which chip"),
        (uf2(RP2040) + uf2(RP2350), "2 kinds of chips"),
        (uf2(RP2040)[:-1], "no whole UF2"),
        (b"", "no whole UF2"),
        (uf2(RP2040)[:512] + bytes(512), "block 1 is damaged"),
        (uf2(RP2040)[:1024], "2 of its 4 blocks are not there"),
        (uf2(RP2040)[512:], "1 of its 4 blocks are not there"),
        (uf2(RP2040) + uf2(RP2040)[512:1024], "block 1 comes twice"),
        (uf2(RP2040)[:1536] + uf2(RP2040)[:512], "1 of its 4 blocks are not there"),
        (uf2(RP2040) + uf2(RP2040, blocks=5)[-512:], "there are 4 or 5 of them"),
    ],
)
def test_a_uf2_file_that_does_not_fit(drive: Path, picture: Callable[[bytes], Path], data: bytes, reason: str) -> None:
    with pytest.raises(ImageRefused, match=reason):
        Uf2Drive(drive).check(picture(data))
    assert [it.name for it in drive.iterdir()] == ["INFO_UF2.TXT"]


@given(order=st.permutations(range(4)), drawn=st.lists(st.integers(0, 3), max_size=5))
def test_a_uf2_file_is_whole_only_with_each_block_once(
    order: list[int], drawn: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Invariant: in any order, each block once is a file; anything else is refused, whatever is left out or comes twice."""
    path, blocks = tmp_path_factory.getbasetemp() / "drawn.uf2", [uf2(RP2040)[512 * at :][:512] for at in range(4)]
    path.write_bytes(b"".join(blocks[at] for at in order))
    assert read_family(path) == RP2040
    path.write_bytes(b"".join(blocks[at] for at in drawn))
    if sorted(drawn) == [0, 1, 2, 3]:
        assert read_family(path) == RP2040
    else:
        with pytest.raises(ImageRefused, match="no whole UF2 file"):
            read_family(path)


def test_a_tool_of_another_chip_is_not_tried() -> None:
    port = Port(Path("/dev/ttyACM0"), None, (0x2E8A, 0x000A), "Pico", "1", guess(0x2E8A, 0x000A), (), "")
    with pytest.raises(ToolFailed, match="RP2040 with a program of the Pico SDK: esptool does not flash that"):
        check_chip(port, "esptool")
    check_chip(replace(port, guess=guess(0x10C4, 0xEA60)), "stm32flash")
    check_chip(None, "stm32flash")


def test_no_drive_and_a_strange_one(drive: Path, picture: Callable[[bytes], Path], tmp_path: Path) -> None:
    image = picture(uf2(RP2040))
    empty = tmp_path / "mounts"
    empty.touch()
    with pytest.raises(ToolFailed, match="there is no drive"):
        Uf2Drive(mounts=empty).check(image)
    with pytest.raises(ToolFailed, match=r"it has no INFO_UF2\.TXT"):
        Uf2Drive(tmp_path).check(image)
    (drive / "INFO_UF2.TXT").write_text("Board-ID: Toaster\n")
    with pytest.raises(ToolFailed, match="does not know"):
        Uf2Drive(drive).check(image)
    assert read_family(image) == RP2040
