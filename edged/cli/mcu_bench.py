"""``edged mcu bench``: how long the model of a board takes, and whether TensorFlow Lite Micro answers the same here."""

from __future__ import annotations

import argparse
import json
import random
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.mcu_common import add_port, need_model, positive, run_on_board, runs, say

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.mcu.board import Board
    from edged.mcu.info import BoardInfo, Inference

COUNT = 10


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("bench", help="measure the model of a board, and compare its answers with this machine's")
    action.add_argument("--count", type=positive, default=COUNT, metavar="N", help="inferences (default: %(default)s)")
    action.add_argument(
        "--model", type=Path, metavar="FILE", help="the .tflite that runs there, to compare with (needs tflite-micro)"
    )
    action.add_argument("--seed", type=int, default=0, metavar="N", help="draws other inputs (default: %(default)s)")
    add_port(action)
    action.add_argument("--json", action="store_true", help="one JSON object")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, compare, print. 1 if an answer differs."""
    source = random.Random(arguments.seed)  # noqa: S311  # no secret

    async def work(board: Board) -> tuple[BoardInfo, list[tuple[tuple[bytes, ...], Inference]]]:
        from edged.mcu.noise import draw_noise

        info = await board.info()
        need_model(info)
        if arguments.model is not None:
            await board.self_test()  # leaves a model that remembers nothing, like one that was just loaded
        seen = []
        for _ in range(arguments.count):
            inputs = tuple(draw_noise(tensor, source) for tensor in info.inputs)
            seen.append((inputs, await board.invoke(inputs)))
        return info, seen

    info, seen = run_on_board(arguments, work)
    result = _result(info, [inference for _, inference in seen])
    if arguments.model is not None:
        result |= _compare(arguments.model, info, seen)
    if arguments.json:
        print(json.dumps(result))
    else:
        _show(info, result)
    return 1 if result.get("different") else 0


def _result(info: BoardInfo, inferences: list[Inference]) -> dict[str, Any]:
    times_us = [inference.duration_us for inference in inferences]
    return {
        "board": info.board,
        "engine": info.engine,
        "count": len(times_us),
        "mean_us": statistics.fmean(times_us),
        "min_us": min(times_us),
        "max_us": max(times_us),
        "arena_used_bytes": info.arena_used_bytes,
        "arena_size_bytes": info.arena_size_bytes,
    }


def _compare(model: Path, info: BoardInfo, seen: list[tuple[tuple[bytes, ...], Inference]]) -> dict[str, Any]:
    from edged.core.errors import ModelRejected, RuntimeUnavailable
    from edged.tooling.mcu_reference import available, input_tensors, run_reference

    if not available():
        raise RuntimeUnavailable("tflite-micro is not installed: nothing to compare with", hint="pip install tflite-micro")
    if [(it.dtype, it.shape) for it in input_tensors(model)] != [(it.dtype, it.shape) for it in info.inputs]:
        hint = f"It runs {info.model.name} {info.model.version}: name the file that this was signed from."
        raise ModelRejected(f"{model} takes other inputs than the model on the board", hint=hint)
    reference = run_reference(model, [inputs for inputs, _ in seen])
    answers = [tuple(output.data for output in inference.outputs) for _, inference in seen]
    return {
        "different": sum(here != there for here, there in zip(reference.outputs, answers, strict=True)),
        "host_us": reference.fastest_us,
    }


def _show(info: BoardInfo, result: dict[str, Any]) -> None:
    say(f"{info.board}: {runs(info)}")
    say(f"{result['count']} inferences: {result['mean_us']:,.0f} us (from {result['min_us']:,} to {result['max_us']:,})")
    say(f"arena: {info.arena_used_bytes:,} of {info.arena_size_bytes:,} bytes")
    if "host_us" in result:
        equal = result["count"] - result["different"]
        same = f"{equal} of {result['count']} answers are the same to the byte"
        say(f"TensorFlow Lite Micro here: {result['host_us']:,.0f} us; {same}")
