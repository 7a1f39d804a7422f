"""``edged mcu list``: the serial ports, what may be behind them and what runs there, who holds them; and drives of UF2 loaders."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli.mcu_common import positive, runs
from edged.cli.tail import printable
from edged.cli.terminal import err, out
from edged.mcu.settings import BAUD

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.mcu.asking import Heard
    from edged.mcu.ports import Port


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("list", help="list the ports of this machine, what runs behind them, and who holds them")
    action.add_argument(
        "--leave-closed",
        action="store_true",
        help="open no port to ask what runs there: some boards, such as many Arduinos, start again when theirs is opened",
    )
    action.add_argument("--baud", type=positive, default=BAUD, metavar="N", help="rate to ask at (default: %(default)s)")
    action.add_argument("--json", action="store_true", help="one JSON object")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    from rich.table import Table

    from edged.mcu.ports import list_ports
    from edged.mcu.tools.uf2 import chip_of, find_drives

    ports, drives = list_ports(), find_drives()
    heard = {} if arguments.leave_closed else _ask(ports, arguments.baud)
    if arguments.json:
        found = [{"path": str(drive), "chip": chip_of(drive)} for drive in drives]
        print(json.dumps({"ports": [_record(port, heard.get(port.device)) for port in ports], "uf2_drives": found}))
        return 0
    table = Table("port", "usb", "what it is", "flashed by", "state", box=None, pad_edge=False, header_style="bold")
    for port in ports:
        ids = "" if port.usb is None else f"{port.usb[0]:04x}:{port.usb[1]:04x}"
        tool = "" if port.guess is None else port.guess.tool if port.guess.sure else f"{port.guess.tool}?"
        table.add_row(str(port.device), ids, escape(_what(port)), tool, _state(port))
    out.print(table if table.row_count else "[dim]no serial ports; is the board plugged in?[/]")
    for device, said in heard.items():
        out.print(f"{device}: {_runs(said, arguments.baud)}")
    for drive in drives:
        out.print(f"{escape(printable(str(drive)))}: drive of an {chip_of(drive) or 'unknown chip'}, waiting for a UF2 file")
    for port in ports:
        if port.by_id is not None:
            out.print(f"[dim]{port.device} keeps the name {escape(printable(str(port.by_id)))}[/]")
    return 0


def _what(port: Port) -> str:
    guessed = port.guess.what if port.guess is not None else ""
    return " - ".join(filter(None, (printable(port.product), guessed))) or "a serial port of the machine itself"


def _ask(ports: tuple[Port, ...], baud: int) -> dict[Path, Heard]:
    """What runs behind those that nobody has open, and that this user may open."""
    from edged.mcu.asking import ask_all

    free = [port.device for port in ports if not port.held_by and not port.hint]
    if not free:
        return {}
    with err.status("asking what runs there"):
        return asyncio.run(ask_all(free, baud))


def _runs(heard: Heard, baud: int) -> str:
    """In a line."""
    if heard.lost:
        return f"[red]not asked[/]: {escape(printable(heard.lost))}"
    if heard.info is not None:
        return escape(printable(f"{heard.info.board}, {runs(heard.info)}"))
    if heard.slots is None:
        return f"[dim]nothing answers at {baud} baud[/]"
    active = ", ".join(slot.version for slot in heard.slots if slot.active)
    return escape(printable(f"MCUboot with the firmware of others {active}".strip()))


def _state(port: Port) -> str:
    if port.held_by:
        return f"[yellow]in use by {escape(printable(', '.join(port.held_by)))}[/]"
    return f"[red]not yours to open[/]: {escape(port.hint)}" if port.hint else "[green]free[/]"


def _heard(heard: Heard | None) -> dict[str, Any] | None:
    """None if it was not asked."""
    if heard is None:
        return None
    if heard.info is None:
        answers = "nothing" if heard.slots is None else "mcuboot"
        active = [slot.version for slot in heard.slots or () if slot.active]
        return {"answers": answers, "versions": active, "lost": heard.lost or None}
    info = heard.info
    model = {"name": info.model.name, "version": info.model.version, "state": info.model.state} if info.model.hash else None
    said = {"mode": info.mode, "board": info.board, "version": info.version, "state": info.state, "engine": info.engine}
    return {"answers": "edged", **said, "model": model}


def _record(port: Port, heard: Heard | None) -> dict[str, Any]:
    guessed = port.guess
    return {
        "device": str(port.device),
        "by_id": None if port.by_id is None else str(port.by_id),
        "usb": None if port.usb is None else {"vendor": port.usb[0], "product": port.usb[1]},
        "product": port.product,
        "serial_number": port.serial_number,
        "guess": None if guessed is None else {"what": guessed.what, "tool": guessed.tool, "sure": guessed.sure},
        "runs": _heard(heard),
        "held_by": list(port.held_by),
        "permission_hint": port.hint,
    }
