"""``edged mcu flash | model``: bring a firmware or a model to a board, try it, and keep it.

Everything that can be known is checked before the first byte goes out. An upload that was interrupted goes on where it was when the
same command is given again, unless the board has started anew since: how far it was is in its RAM. What runs is not touched before
the new image is whole, signed rightly, and has passed its self-test. Only an interruption asks for the same command again: what was
refused would be refused again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edged.cli import mcu_tools
from edged.cli.mcu_common import (
    add_port,
    describe,
    is_tflite,
    progress_bar,
    read_bytes,
    run_on_board,
    runs,
    say,
    sent,
    tell_away,
    waiting,
)
from edged.cli.terminal import err
from edged.core.errors import BoardRefused, BoardSilent, ImageRefused, PortLost

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.infer.graph import Graph
    from edged.mcu.board import Board
    from edged.mcu.image import Image
    from edged.mcu.info import BoardInfo
    from edged.mcu.install import Brought

AGAIN = "Give the same command again: it goes on where it was if the board kept its power, else it begins anew."
AS_BEFORE = "What runs is what ran before."
ON_TRIAL = "It is on trial, and goes back by itself. `edged mcu info` says what runs, `edged mcu confirm` keeps it."


def register(actions: Verbs) -> None:
    """Add the actions."""
    flash = actions.add_parser("flash", help="bring a firmware to a board, try it, and keep it if it passes its self-test")
    flash.add_argument("image", type=Path, metavar="IMAGE", help="signed by `edged mcu sign`; with --tool what that tool takes")
    _add_options(flash)
    mcu_tools.add_options(flash)
    flash.set_defaults(run=run_flash)

    model = actions.add_parser("model", help="bring a model to a board, beside the firmware that runs there")
    model.add_argument("image", type=Path, metavar="IMAGE", help="signed by `edged mcu sign`")
    _add_options(model)
    model.set_defaults(run=run_model)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_port(parser)
    parser.add_argument(
        "--trial",
        action="store_true",
        help="leave it on trial: it goes back unless `edged mcu confirm` keeps it, in two minutes as a rule",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run_flash(arguments: argparse.Namespace) -> int:
    """Bring a firmware."""
    return mcu_tools.run(arguments) if mcu_tools.wanted(arguments) else _install(arguments, "firmware")


def run_model(arguments: argparse.Namespace) -> int:
    """Bring a model."""
    return _install(arguments, "model")


def _install(arguments: argparse.Namespace, kind: Literal["firmware", "model"]) -> int:
    data = read_bytes(arguments.image)
    image = read_image(arguments.image, data, kind)

    graph = _graph(image, arguments.image)

    bringing = _Bringing(image, data, keep=not arguments.trial)

    async def work(board: Board) -> tuple[Brought, BoardInfo]:
        if graph is not None:
            _check_graph(await board.info(), graph)
        return await bringing.bring(board)

    try:
        brought, info = run_on_board(arguments, work)
    except KeyboardInterrupt:
        err.print(f"[yellow]interrupted[/]. {bringing.left_behind()} {AGAIN}")
        raise
    if arguments.json:
        print(json.dumps(_record(brought, image, info)))
        return 0
    if brought.progress is not None:
        say(f"Sent {sent(brought.progress)}.")
    else:
        say("Nothing was sent: the board runs it already." if brought.outcome == "runs already" else "A slot held it already.")
    on_trial = "trial" in {info.state, info.model.state}
    say(f"Runs: {runs(info)}." + (" Keep it with `edged mcu confirm`, or it goes back." if on_trial else ""))
    return 0


def read_image(path: Path, data: bytes, kind: Literal["firmware", "model"]) -> Image:
    """What a file is; raises ImageRefused if not of this kind."""
    from edged.mcu.image import parse

    try:
        image = parse(data)
    except ImageRefused as error:
        if is_tflite(data):
            hint = f"`edged mcu sign {path} --key FILE --board BOARD --version X.Y.Z` signs it; `edged mcu model` takes that."
            raise ImageRefused(f"{path} is a model that is not signed yet", hint=hint, fault=error.fault) from error
        raise ImageRefused(f"{path}: {error.message}", hint=error.hint, fault=error.fault) from error
    if image.kind != kind:
        verb = "model" if image.kind == "model" else "flash"
        raise ImageRefused(
            f"{path} is no {kind}: it is a {describe(image)}", hint=f"`edged mcu {verb}` takes it.", fault="wrong kind"
        )
    return image


def _graph(image: Image, path: Path) -> Graph | None:
    """Of a model; ``None`` for a firmware. Raises ModelRejected."""
    from edged.infer.graph import Graph
    from edged.mcu.package import read

    return None if image.kind == "firmware" else Graph.read(read(image.payload).model, str(path))


def _check_graph(info: BoardInfo, graph: Graph) -> None:
    """Its operators, and that it has room for the largest tensor at least; raises ImageRefused."""
    from edged.mcu.admission import admit_operators

    admit_operators(graph.steps(), info)
    size_bytes, needed_bytes = info.arena_size_bytes, graph.workspace().largest_bytes
    if size_bytes and needed_bytes > size_bytes:
        raise ImageRefused(
            f"the largest tensor of this model has {needed_bytes:,} bytes, and the board's arena {size_bytes:,}",
            hint="Take a smaller model, or build a firmware with a larger arena.",
            fault="arena too small",
        )


def _check_self_test(info: BoardInfo) -> None:
    """Of an image that was brought before, and runs: on trial it may have failed. Raises BoardRefused."""
    if "trial" in {info.state, info.model.state} and info.self_test == "failed":
        hint = "It goes back to the one before by itself; `edged mcu revert` does so at once."
        why = f"the board refuses the model: {info.diagnosis}" if info.diagnosis else "fails its self-test"
        raise BoardRefused(f"this image is on trial already, and {why}", hint=hint)


class _Bringing:
    """An image on its way to be kept; knows how far it came when something ends it."""

    def __init__(self, image: Image, data: bytes, *, keep: bool) -> None:
        self._image = image
        self._data = data
        self._keep = keep
        self._stage: Literal["sending", "trying", "running"] = "sending"

    async def bring(self, board: Board) -> tuple[Brought, BoardInfo]:
        """Send it if need be, try it, and keep it if that is wanted."""
        try:
            return await self._bring(board)
        except (BoardSilent, PortLost) as error:
            raise type(error)(f"interrupted: {error.message}", hint=f"{error.hint} {self.left_behind()} {AGAIN}".strip()) from error
        except BoardRefused as error:
            left = ON_TRIAL if self._stage == "running" else AS_BEFORE
            answered = error.code or not error.hint  # else it is of our own finding, and says itself what runs
            hint = f"{error.hint} {left}".strip() if answered else error.hint
            raise BoardRefused(error.message, hint=hint, code=error.code, group=error.group) from error

    async def _bring(self, board: Board) -> tuple[Brought, BoardInfo]:
        from edged.mcu.install import bring, confirm, try_out

        with progress_bar(f"sending {self._image.kind} {self._image.version}") as report:
            brought = await bring(board, self._image, self._data, report)
        if brought.outcome == "runs already":
            info = await board.info()
            _check_self_test(info)
        else:
            self._stage = "trying"
            with waiting(f"the board tries {self._image.kind} {self._image.version}"):
                info = await try_out(board, brought, away=tell_away)
        if self._keep and "trial" in {info.state, info.model.state}:
            self._stage = "running"
            await confirm(board)
            info = await board.info()
        return brought, info

    def left_behind(self) -> str:
        """What becomes of the board if nothing more is done."""
        if self._stage == "sending":
            return "What runs was not touched."
        return f"The board has been told to try the new {self._image.kind}; what nobody confirms goes back by itself."


def _record(brought: Brought, image: Image, info: BoardInfo) -> dict[str, object]:
    progress = brought.progress
    return {
        "kind": image.kind,
        "version": image.version,
        "hash": brought.hash.hex(),
        "outcome": brought.outcome,
        "sent_bytes": 0 if progress is None else progress.sent_bytes - progress.resumed_bytes,
        "resumed_bytes": 0 if progress is None else progress.resumed_bytes,
        "elapsed_s": 0.0 if progress is None else progress.elapsed_s,
        "self_test": info.self_test,
        "confirmed": "trial" not in {info.state, info.model.state},
    }
