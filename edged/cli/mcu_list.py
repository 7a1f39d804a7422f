"""``edged mcu list``: the serial ports, what may be behind them, and who holds them; and the drives of UF2 loaders."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli.tail import printable
from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.mcu.ports import Port


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("list", help="list the ports of this machine, what may be behind them, and who holds them")
    action.add_argument("--json", action="store_true", help="one JSON object")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    from rich.table import Table

    from edged.mcu.ports import list_ports
    from edged.mcu.tools.uf2 import chip_of, find_drives

    ports, drives = list_ports(), find_drives()
    if arguments.json:
        found = [{"path": str(drive), "chip": chip_of(drive)} for drive in drives]
        print(json.dumps({"ports": [_record(port) for port in ports], "uf2_drives": found}))
        return 0
    table = Table("port", "usb", "what it is", "flashed by", "state", box=None, pad_edge=False, header_style="bold")
    for port in ports:
        ids = "" if port.usb is None else f"{port.usb[0]:04x}:{port.usb[1]:04x}"
        tool = "" if port.guess is None else port.guess.tool if port.guess.sure else f"{port.guess.tool}?"
        table.add_row(str(port.device), ids, escape(_what(port)), tool, _state(port))
    out.print(table if table.row_count else "[dim]no serial ports; is the board plugged in?[/]")
    for drive in drives:
        out.print(f"{escape(printable(str(drive)))}: drive of an {chip_of(drive) or 'unknown chip'}, waiting for a UF2 file")
    for port in ports:
        if port.by_id is not None:
            out.print(f"[dim]{port.device} keeps the name {escape(printable(str(port.by_id)))}[/]")
    return 0


def _what(port: Port) -> str:
    guessed = port.guess.what if port.guess is not None else ""
    return " - ".join(filter(None, (printable(port.product), guessed))) or "a serial port of the machine itself"


def _state(port: Port) -> str:
    if port.held_by:
        return f"[yellow]in use by {escape(printable(', '.join(port.held_by)))}[/]"
    return f"[red]not yours to open[/]: {escape(port.hint)}" if port.hint else "[green]free[/]"


def _record(port: Port) -> dict[str, Any]:
    guessed = port.guess
    return {
        "device": str(port.device),
        "by_id": None if port.by_id is None else str(port.by_id),
        "usb": None if port.usb is None else {"vendor": port.usb[0], "product": port.usb[1]},
        "product": port.product,
        "serial_number": port.serial_number,
        "guess": None if guessed is None else {"what": guessed.what, "tool": guessed.tool, "sure": guessed.sure},
        "held_by": list(port.held_by),
        "permission_hint": port.hint,
    }
