"""``edged mcu run``: push an input into the model of a board, and print what it answers."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli.mcu_common import add_port, need_model, run_on_board
from edged.cli.terminal import out
from edged.mcu.reading import read_numbers

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.mcu.board import Board
    from edged.mcu.info import Inference, Output

SHOWN = 10
"""So many numbers of an output are printed for a person, the greatest first if there are labels."""


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("run", help="push an input into the model of a board, and print what it answers")
    action.add_argument(
        "inputs",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="a picture, which is scaled, and grey if the model is; .npy; or raw bytes (.bin); one for each input",
    )
    action.add_argument(
        "--value",
        action="append",
        default=[],
        type=float,
        metavar="X",
        help="a number, instead of files; once for each that the model takes",
    )
    action.add_argument(
        "--raw-pixels",
        action="store_true",
        help="the bytes of a .bmp are the input as it stands, as in the pictures of TFLM's examples",
    )
    action.add_argument("--labels", type=Path, metavar="FILE", help="a label a line, for the numbers of the first output")
    add_port(action)
    action.add_argument("--json", action="store_true", help="one JSON object")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Push, run, print."""
    from edged.tooling.mcu_input import make_inputs

    labels = _labels(arguments.labels) if arguments.labels is not None else ()

    async def work(board: Board) -> Inference:

        info = await board.info()
        need_model(info)
        inputs = make_inputs(info.inputs, arguments.inputs, arguments.value, raw_pixels=arguments.raw_pixels)
        return await board.invoke(inputs)

    inference = run_on_board(arguments, work)
    if arguments.json:
        print(json.dumps(_record(inference, labels)))
    else:
        out.print(f"[dim]inference {inference.number}, {inference.duration_us:,} us[/]")
        for index, output in enumerate(inference.outputs):
            _print(index, output, labels if index == 0 else ())
    return 0


def _labels(path: Path) -> tuple[str, ...]:
    """Raises ModelRejected, which says what is wrong with them."""
    from edged.infer.files import read_limited
    from edged.infer.labels import MAX_BYTES, parse_labels

    return parse_labels(read_limited(path, MAX_BYTES), str(path))


def _real(output: Output) -> list[float]:
    """What the numbers stand for."""
    stored = read_numbers(output.data, output.dtype)
    return [(value - output.zero_point) * output.scale if output.scale else float(value) for value in stored]


def _print(index: int, output: Output, labels: Sequence[str]) -> None:
    stored, real = read_numbers(output.data, output.dtype), _real(output)
    order = sorted(range(len(real)), key=lambda at: -real[at]) if labels else range(len(real))
    out.print(f"[bold]output {index}[/] {'x'.join(map(str, output.shape))}")
    for at in list(order)[:SHOWN]:
        label = escape(labels[at]) if at < len(labels) and labels[at] else str(at)
        out.print(f"  {label:<20} {real[at]:.4f}  [dim]{stored[at]}[/]")
    if len(real) > SHOWN:
        out.print(f"  [dim]and {len(real) - SHOWN} more; --json has all[/]")


def _plain(values: Sequence[float]) -> list[float | None]:
    """For JSON, which knows neither infinity nor NaN."""
    return [value if math.isfinite(value) else None for value in values]


def _record(inference: Inference, labels: Sequence[str]) -> dict[str, Any]:
    outputs: list[dict[str, Any]] = [
        {"shape": list(it.shape), "dtype": it.dtype, "stored": _plain(read_numbers(it.data, it.dtype)), "real": _plain(_real(it))}
        for it in inference.outputs
    ]
    record: dict[str, Any] = {"inference": inference.number, "duration_us": inference.duration_us, "outputs": outputs}
    if labels and outputs and outputs[0]["real"] and None not in outputs[0]["real"]:
        best = max(range(len(outputs[0]["real"])), key=outputs[0]["real"].__getitem__)
        record["label"] = labels[best] if best < len(labels) else str(best)
    return record
