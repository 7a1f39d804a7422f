"""``edged mcu flash --tool``: chips that run no firmware of ours yet, by the tools of their kind."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.mcu_common import MAGIC, address, bytes_bar, port_of, say
from edged.cli.terminal import err
from edged.core.errors import PortLost, ToolFailed

if TYPE_CHECKING:
    from edged.mcu.boards import Tool
    from edged.mcu.ports import Port
    from edged.mcu.tools.flasher import Flasher

TOOLS = ("smp", "mcuboot", "esptool", "stm32flash", "uf2")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that choose and set one."""
    group = parser.add_argument_group("chips that run no firmware of edged yet")
    group.add_argument(
        "--tool",
        choices=TOOLS,
        help="what flashes it (default: as its USB numbers say, where they are sure; else smp, the loader of edged itself)",
    )
    group.add_argument("--address", type=address, metavar="N", help="where to write: needed for esptool")
    group.add_argument("--chip", default="auto", metavar="NAME", help="the chip, for esptool (default: it asks)")
    group.add_argument("--drive", type=Path, metavar="DIR", help="the mounted drive, for uf2 (default: the one that is there)")


def wanted(arguments: argparse.Namespace) -> bool:
    """Whether something else than our own protocol is to be used."""
    return _tool(arguments) != "smp"


def run(arguments: argparse.Namespace) -> int:
    """Check, write, tell."""
    from edged.mcu.ports import find_port

    tool = _tool(arguments)
    if tool != "uf2":
        check_chip(find_port(port_of(arguments)), tool)
    flasher = _flasher(tool, arguments)
    flasher.check(arguments.image)
    try:
        done = asyncio.run(_flash(flasher, arguments.image))
    except KeyboardInterrupt:
        err.print("[yellow]interrupted[/]. What is on the chip may not be whole: give the same command again.")
        raise
    if arguments.json:
        print(json.dumps({"tool": _tool(arguments), "done": done}))
    else:
        say(f"{_tool(arguments)}: {done}.")
    return 0


def check_chip(port: Port | None, tool: Tool) -> None:
    """Raise ToolFailed if it is known that another kind of chip is behind a port."""
    if port is not None and port.guess is not None and port.guess.sure and port.guess.tool != tool:
        raise ToolFailed(
            f"on {port.device} is an {port.guess.what}: {tool} does not flash that", hint=f"Use --tool {port.guess.tool}."
        )


def _tool(arguments: argparse.Namespace) -> Tool:
    from edged.mcu.ports import find_port

    if arguments.tool is not None:
        chosen: Tool = arguments.tool
        return chosen
    if _signed(arguments.image):
        return "smp"
    if arguments.image.suffix.lower() == ".uf2":
        return "uf2"
    try:
        port = find_port(port_of(arguments))
    except PortLost:
        return "smp"
    return port.guess.tool if port is not None and port.guess is not None and port.guess.sure else "smp"


def _signed(image: Path) -> bool:
    """Whether it begins as what `edged mcu sign` makes."""
    try:
        with image.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _flasher(tool: Tool, arguments: argparse.Namespace) -> Flasher:
    from edged.mcu.tools.esp import EspTool
    from edged.mcu.tools.mcuboot import McuBoot
    from edged.mcu.tools.stm32 import ADDRESS, Stm32Flash
    from edged.mcu.tools.uf2 import Uf2Drive

    if tool == "uf2":
        return Uf2Drive(arguments.drive)
    port = port_of(arguments)
    if tool == "mcuboot":
        return McuBoot(port, arguments.baud)
    _check_free(port)
    if tool == "esptool":
        if arguments.address is None:
            hint = "0x10000 is where the application of an ESP32 begins as a rule, 0 where an image of all its flash does."
            raise ToolFailed("esptool has to be told where to write: --address", hint=hint)
        return EspTool(port, arguments.address, arguments.baud, arguments.chip)
    return Stm32Flash(port, arguments.baud, ADDRESS if arguments.address is None else arguments.address)


def _check_free(port: Path) -> None:
    """These programs say little when they cannot have the port; raises PortLost."""
    from edged.mcu.opening import close_port, open_port
    from edged.mcu.settings import BAUD

    close_port(open_port(port, BAUD))


async def _flash(flasher: Flasher, image: Path) -> str:
    from edged.mcu.tools.flasher import size_of

    size_bytes = size_of(image)
    with bytes_bar(f"writing {image.name}") as show:
        return await flasher.flash(image, lambda share: show(round(share * size_bytes), size_bytes))
