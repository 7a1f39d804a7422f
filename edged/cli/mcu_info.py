"""``edged mcu info``: what a board is, what it runs, and what its slots hold."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli.mcu_common import add_port, run_on_board
from edged.cli.tail import printable
from edged.cli.terminal import out
from edged.mcu.reading import dtype_name

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.mcu.board import Board
    from edged.mcu.info import BoardInfo, SlotImage, TensorInfo


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("info", help="print what a board is, what it runs, and what its slots hold")
    add_port(action)
    action.add_argument("--json", action="store_true", help="one JSON object")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print."""
    info, slots = run_on_board(arguments, _ask)
    if arguments.json:
        print(json.dumps(record(info, slots)))
    else:
        _print(info, slots)
    return 0


async def _ask(board: Board) -> tuple[BoardInfo, tuple[SlotImage, ...]]:
    return await board.info(), await board.images()


def record(info: BoardInfo, slots: tuple[SlotImage, ...]) -> dict[str, Any]:
    """Everything, for a program."""
    import msgspec

    def plain(value: object) -> Any:
        return msgspec.to_builtins(value, builtin_types=(bytes,))

    def hexed(value: Any) -> Any:
        match value:
            case bytes():
                return value.hex()
            case dict():
                return {key: hexed(item) for key, item in value.items()}
            case list() | tuple():
                return [hexed(item) for item in value]
        return value

    fields: dict[str, Any] = hexed(plain(info))
    return {**fields, "slots": hexed([plain(slot) for slot in slots])}


def _print(info: BoardInfo, slots: tuple[SlotImage, ...]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(info):
        table.add_row(name, escape(printable(value)))
    out.print(table)
    held = Table("slot", "version", "hash", "state", box=None, pad_edge=False, header_style="bold")
    for slot in slots:
        kind = "model" if slot.image else "firmware"
        held.add_row(f"{kind} {slot.slot}", escape(printable(slot.version)), slot.hash.hex()[:12], state(slot))
    out.print()
    out.print(held if slots else "[dim]no slot holds an image[/]")


def state(slot: SlotImage) -> str:
    """What it is to the board, in the words of its protocol. That a trial failed it does not tell apart from none that was."""
    if slot.active:
        words = ["active", "confirmed" if slot.confirmed else "on trial"]
    elif slot.pending:
        words = ["pending: on trial after the next reset"]
    elif slot.confirmed:
        words = ["confirmed: `edged mcu revert` goes back to it" if slot.bootable else "confirmed"]
    else:
        words = ["not confirmed: failed its trial, or was not tried yet"]
    return ", ".join(words if slot.bootable else [*words, "too old to run again"])


def _rows(info: BoardInfo) -> list[tuple[str, str]]:
    rows = [("board", info.board), ("runs", "its loader" if info.mode == "loader" else "its application")]
    if info.mode == "app":
        rows.append(("firmware", f"{info.version} ({info.state}), engine {info.engine}"))
        model = info.model
        rows.append(("model", f"{model.name} {model.version} ({model.state}), {model.hash.hex()[:12]}" if model.hash else "none"))
        vector = "" if info.failed_vector is None else f" at golden vector {info.failed_vector}"
        rows.append(("self-test", info.self_test + vector))
    if info.diagnosis:
        rows.append(("refused", info.diagnosis))
    if info.arena_size_bytes:
        rows.append(("arena", f"{info.arena_used_bytes:,} of {info.arena_size_bytes:,} bytes"))
    rows += [("input", _tensor(it)) for it in info.inputs] + [("output", _tensor(it)) for it in info.outputs]
    rows.append(("slots", f"firmware {info.slot_bytes.firmware:,} bytes, model {info.slot_bytes.model:,} bytes"))
    rows.append(("counters", f"firmware {info.counters.firmware}, model {info.counters.model}"))
    rows.append(("trusts key", info.key.hex() or "unknown"))
    rows.append(("starts", f"{info.boots:,}"))
    return rows


def _tensor(tensor: TensorInfo) -> str:
    shape = "x".join(map(str, tensor.shape))
    quantised = f", scale {tensor.scale:g}, zero point {tensor.zero_point}" if tensor.scale else ""
    return f"{dtype_name(tensor.dtype)} {shape}, {tensor.size_bytes:,} bytes{quantised}"
