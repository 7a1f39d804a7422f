"""``edged mcu monitor``: what a board prints and reports, as it comes.

Everything here comes from the wire: it is shown with what does not print escaped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli.mcu_common import add_port, port_of, positive
from edged.cli.tail import printable
from edged.cli.terminal import err, out
from edged.mcu.reading import dtype_name, read_numbers

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.mcu import report
    from edged.mcu.demux import Event

LEVELS = {10: ("debug", "dim"), 20: ("info", "cyan"), 30: ("warning", "yellow"), 40: ("error", "red")}
SOURCES = ("sensor", "injected", "self-test")
REASONS = {1: "as requested", 2: "into its loader", 3: "trial not confirmed in time", 4: "self-test failed"}
SHOWN_BYTES = 16
"""So much of an output is shown; a person reads no more in a line."""


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("monitor", help="print what a board says and reports, as it comes")
    add_port(action)
    action.add_argument("--json", action="store_true", help="one JSON object a line")
    action.add_argument("--count", type=positive, metavar="N", help="end after N lines")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print until interrupted."""
    asyncio.run(_follow(arguments))
    return 0


async def _follow(arguments: argparse.Namespace) -> None:
    from edged.mcu.link import Link

    shown = 0
    async with Link(port_of(arguments), arguments.baud) as link:
        events = link.events()
        err.print(f"[dim]{escape(str(link.path))} at {link.baud} baud; Ctrl-C ends this[/]")
        async for event in events:
            record = record_of(event)
            if record is None:
                continue
            if arguments.json:
                print(json.dumps({"unix_ms": int(time.time() * 1000), **record}), flush=True)
            else:
                out.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {line(record)}")
            shown += 1
            if shown == arguments.count:
                return


def record_of(event: Event) -> dict[str, Any] | None:
    """An event for a program; None for what others asked for."""
    from edged.core.errors import FrameInvalid
    from edged.mcu import demux
    from edged.mcu.report import decode

    match event:
        case demux.Text(data=data):
            text = data.decode(errors="replace").strip("\r\n")
            return {"text": text} if text else None
        case demux.Report(frame=frame):
            try:
                return _record(decode(frame))
            except FrameInvalid as error:
                return {"damaged": error.message}
        case demux.Bad(kind=kind, reason=reason):
            return {"damaged": f"a {kind} was lost: {reason}"}
    return None


def _record(said: report.Report) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(said, builtin_types=(bytes,))
    plain = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
    return {"report": type(said).__name__.lower(), **plain}


def line(record: dict[str, Any]) -> str:
    """A record for a person, with colours."""
    lines: dict[str, Callable[[dict[str, Any]], str]] = {
        "hello": _hello_line,
        "result": _result_line,
        "health": _health_line,
        "log": _log_line,
        "bye": lambda it: f"[bold yellow]bye[/] {REASONS.get(it['reason'], it['reason'])}",
        "unknown": lambda it: f"[yellow]unknown report {it['type']}[/] {it['body'][: 2 * SHOWN_BYTES]}",
    }
    if "report" in record:
        return lines[record["report"]](record)
    if "text" in record:
        return escape(printable(record["text"]))
    return f"[red]damaged[/] {escape(printable(record['damaged']))}"


def _log_line(record: dict[str, Any]) -> str:
    name, colour = LEVELS.get(record["level"], (str(record["level"]), "white"))
    return f"[{colour}]{name}[/] {escape(printable(record['text']))}"


def _hello_line(record: dict[str, Any]) -> str:
    what = "its loader" if record["mode"] == 0 else f"firmware {record['fw_version']}, engine {record['engine']}"
    model = f", model {record['model_name']} {record['model_version']}" if record["model_name"] else ""
    return f"[bold green]hello[/] {escape(printable(record['board']))}: {escape(printable(what + model))}"


def _result_line(record: dict[str, Any]) -> str:
    source = SOURCES[record["source"]] if record["source"] < len(SOURCES) else str(record["source"])
    head = f"[bold]result[/] {record['inference']} ({source}, {record['invoke_us']:,} us)"
    if record["status"]:
        return f"{head} [red]failed with status {record['status']}[/]"
    kind = dtype_name(record["dtype"])
    data = bytes.fromhex(record["data"])
    shown = ", ".join(str(value) for value in read_numbers(data[:SHOWN_BYTES], record["dtype"]))
    more = ", ..." if record["total"] > SHOWN_BYTES else ""
    return f"{head} output {record['output']} {kind} {escape(f'[{shown}{more}]')}"


def _health_line(record: dict[str, Any]) -> str:
    from edged.mcu.report import SELF_TESTS

    test = SELF_TESTS[record["self_test"]] if record["self_test"] < len(SELF_TESTS) else str(record["self_test"])
    lost = record["rx_bad"] + record["rx_overruns"] + record["tx_dropped"]
    parts = [
        f"up {record['uptime_ms'] / 1000:,.0f} s",
        f"self-test {test}",
        f"arena {record['arena_used']:,} of {record['arena_size']:,}",
        f"{record['inferences']:,} inferences, {record['invoke_us_mean']:,} us",
        f"stack free {record['stack_free']:,}",
    ]
    return f"[dim]health {escape(', '.join(parts))}[/]" + (f" [yellow]{lost} lost on the line[/]" if lost else "")
