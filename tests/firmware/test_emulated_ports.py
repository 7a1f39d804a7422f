"""Every other port that QEMU has a board for: its loader starts its application, and person_detect answers as everywhere."""

from __future__ import annotations

import asyncio
import re
import struct
import subprocess
from pathlib import Path

import pytest
from emulated import EMCRAFT, GENERIC, MPS2_AN385, MPS2_AN500, MPS3_AN547, PATIENCE_S, Machine, Rig, program
from stock import NO_PERSON, PERSON, Stock

from edged.mcu import demux, report
from edged.mcu.elf import read_code
from edged.mcu.image import HEADER_BYTES

IN_RAM = (MPS2_AN385, MPS2_AN500, MPS3_AN547, GENERIC)


@pytest.mark.parametrize("machine", IN_RAM, ids=lambda machine: machine.board)
async def test_a_port_with_ram_for_flash_tells_a_person(machine: Machine, tmp_path: Path, test_data: Path) -> None:
    stock = Stock.of(machine, tmp_path, test_data)
    slots = {machine.firmware_at: stock.firmware("1.2.3"), machine.model_at: stock.people("3.2.1")}
    assert machine.flash_at is not None
    laid_out = {}
    for address, image in slots.items():
        path = tmp_path / f"{address:x}"
        path.write_bytes(image)
        laid_out[machine.flash_at + address] = path
    async with Rig(machine, stock.loader, preloaded=laid_out) as rig:
        hello = await rig.said(report.Hello)
        assert (hello.board, hello.fw_version, hello.model_version) == (machine.board, "1.2.3", "3.2.1")
        health = await rig.said(report.Health)
        assert (health.self_test, health.fw_state, health.model_state) == (1, 2, 2)
        assert health.stack_free > 4096
        for pixels, answer in ((stock.person, PERSON), (stock.no_person, NO_PERSON)):
            assert (await rig.board.invoke((pixels,))).outputs[0].data == answer
        assert (await rig.restart()).boots == 2


@pytest.mark.parametrize("machine", (EMCRAFT, *IN_RAM), ids=lambda machine: machine.board)
@pytest.mark.parametrize("target", ("loader.elf", "app.elf"))
def test_nothing_in_a_program_can_allocate(machine: Machine, target: str) -> None:
    listed = subprocess.run(["arm-none-eabi-nm", program(machine, target)], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^\S* *\w (\S+)$", listed, re.M)
    assert "main" in names
    assert {"malloc", "_malloc_r", "calloc", "realloc", "free", "_sbrk", "_Znwj", "_Znaj"}.isdisjoint(names)


@pytest.mark.parametrize("machine", (EMCRAFT, *IN_RAM), ids=lambda machine: machine.board)
def test_a_program_says_where_its_loader_puts_it(machine: Machine) -> None:
    """What signing reads there is what the loader takes."""
    app = program(machine, "app.elf")
    code = read_code(app.read_bytes())
    assert code.address - HEADER_BYTES == machine.load_address
    assert app.with_suffix(".bin").read_bytes().startswith(code.data)


async def test_a_watchdog_of_hardware_ends_what_hangs_with_interrupts_off(tmp_path: Path, test_data: Path) -> None:
    """The loader's goes on across the jump; where SysTick stands in for one, nothing would end this (ports/generic/README.md)."""
    stock = Stock.of(MPS2_AN385, tmp_path, test_data)
    forever = bytes.fromhex("72b6fee7")  # cpsid i; b .
    code = struct.pack("<II", 0x20008000, MPS2_AN385.load_address + HEADER_BYTES + 8 + 1) + forever
    path = tmp_path / "firmware"
    path.write_bytes(stock.firmware("1.0.0", code))
    async with Rig(MPS2_AN385, stock.loader, preloaded={0x21000000 + MPS2_AN385.firmware_at: path}) as rig:
        events = rig.link.events()
        said = b""
        while b"\nwatchdog pc=0010020a " not in said:
            event = await asyncio.wait_for(anext(events), PATIENCE_S)
            said += event.data if isinstance(event, demux.Text) else b""
