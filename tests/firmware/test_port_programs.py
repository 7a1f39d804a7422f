"""What start-up and linker scripts of the ports promise: a stack that ends, and an application that fits where it is copied."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from building import FIRMWARE, need_tools
from emulated import EMCRAFT, GENERIC, MPS2_AN385, MPS2_AN500, MPS3_AN547, Machine, program
from qemu import Qemu, blank_flash
from serial import Serial
from stock import Stock

PATIENCE_S = 60
"""No measure of speed: how long a start may take on a busy machine."""

SLOT_BYTES = {"emcraft-sf2": 1 << 20, "mps2": 1 << 20, "mps3-an547": 1 << 20, "generic": 128 << 10}
HEADER_BYTES = 512
ENTRIES_BYTES = 218
"""All entries behind an image, each with its longest value (firmware/boot/image.h)."""


@pytest.mark.parametrize("machine", [EMCRAFT, MPS2_AN385, MPS2_AN500, MPS3_AN547], ids=lambda machine: machine.preset)
def test_a_stack_that_is_too_deep_is_a_fault_that_says_so(machine: Machine, tmp_path: Path) -> None:
    kernel = program(machine, "loader_stack_overflow.elf")
    flash = None if machine.flash_at else blank_flash(tmp_path / "flash")
    with Qemu(machine.qemu, kernel, flash=flash) as board, Serial(str(board.port), timeout=PATIENCE_S) as line:
        board.power_on()
        for _ in range(2):
            said = line.read_until(b" exception=00000003\r\n")
            assert re.search(rb"\r\nstack overflow cfsr=[0-9a-f]{8} ", said), said
            assert said.endswith(b"\r\n"), "it resets, and comes as far again"


def test_so_it_is_in_what_a_loader_starts(tmp_path: Path, test_data: Path) -> None:
    """Where only the memory protection unit lets code run: the handler of a fault, too."""
    stock = Stock.of(EMCRAFT, tmp_path, test_data)
    code = program(EMCRAFT, "app_stack_overflow.elf").with_suffix(".bin").read_bytes()
    flash = stock.flash(tmp_path / "flash", stock.firmware("1.0.0", code))
    with Qemu(EMCRAFT.qemu, stock.loader, flash=flash) as board, Serial(str(board.port), timeout=PATIENCE_S) as line:
        board.power_on()
        assert b"\r\nstack overflow " in line.read_until(b" exception=00000003\r\n")


@pytest.mark.parametrize("port", SLOT_BYTES)
def test_an_application_that_links_can_be_installed(port: str, tmp_path: Path) -> None:
    need_tools(GENERIC.preset)

    def link(payload_bytes: int) -> subprocess.CompletedProcess[str]:
        source = tmp_path / "payload.s"
        source.write_text(f'.section .vectors, "a"\n.space {payload_bytes}\n')
        script = FIRMWARE / "ports" / port / "app.ld"
        command = ["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-nostdlib", "-Wl,-eignored", "-T", script]
        command += [f"-L{FIRMWARE / 'ports' / 'common'}", source, "-o", tmp_path / "payload.elf"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    room = SLOT_BYTES[port] - HEADER_BYTES - ENTRIES_BYTES
    refused = link(room + 1)
    assert refused.returncode != 0 and "overflowed" in refused.stderr
    done = link(room - HEADER_BYTES)
    assert done.returncode == 0, done.stderr
