"""What the actions of ``edged mcu`` share: the port, the board on it, progress, and how both read."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.markup import escape

from edged.cli.terminal import err, out
from edged.mcu.settings import BAUD

if TYPE_CHECKING:
    from edged.mcu.board import Board
    from edged.mcu.image import Image
    from edged.mcu.info import BoardInfo
    from edged.mcu.upload import Progress

T = TypeVar("T")

MAGIC = (0x96F3B83D).to_bytes(4, "little")
"""Of MCUboot's images."""

MAX_ADDRESS = 0xFFFFFFFF
"""These chips have 32 bits."""


def add_port(parser: argparse.ArgumentParser) -> None:
    """The options that say where the board is."""
    parser.add_argument("-p", "--port", type=Path, metavar="DEVICE", help="its serial port (default: the only one on USB)")
    parser.add_argument("--baud", type=positive, default=BAUD, metavar="N", help="rate of the line (default: %(default)s)")


def positive(text: str) -> int:
    """A count of at least one, for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def count(text: str) -> int:
    """A count that may be none, for argparse."""
    return 0 if text == "0" else positive(text)


def address(text: str) -> int:
    """Decimal, or hexadecimal after 0x, for argparse."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_ADDRESS:
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as 0xA0000000")
    return number


def port_of(arguments: argparse.Namespace) -> Path:
    """The port that was named, or the only one that can be meant; raises PortLost."""
    from edged.core.errors import PortLost
    from edged.mcu.ports import list_ports, stable_name

    if arguments.port is not None:
        return stable_name(Path(arguments.port))
    usb = [port for port in list_ports() if port.usb is not None]
    if len(usb) == 1:
        return usb[0].by_id or usb[0].device
    found = ", ".join(str(port.device) for port in usb) or "none"
    hint = "Name one with --port." if usb else "Plug the board in, or name another kind of port with --port."
    raise PortLost(f"which port? On USB there are: {found}", hint=hint, fault="absent")


@asynccontextmanager
async def board_on(arguments: argparse.Namespace) -> AsyncIterator[Board]:
    """The board on the port that is meant; raises PortLost."""
    from edged.mcu.board import Board
    from edged.mcu.link import Link

    async with Link(port_of(arguments), arguments.baud) as link:
        yield Board(link)


def run_on_board(arguments: argparse.Namespace, work: Callable[[Board], Coroutine[Any, Any, T]]) -> T:
    """Do something with it, from outside the event loop."""

    async def do() -> T:
        async with board_on(arguments) as board:
            return await work(board)

    return asyncio.run(do())


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[Progress], None]]:
    """A bar of an upload, as ``bytes_bar``."""
    with bytes_bar(what) as show:
        yield lambda progress: show(progress.sent_bytes, progress.total_bytes)


@contextmanager
def bytes_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left, on stderr while it lasts; call it with how many bytes are done, and how many there are."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(
        TextColumn("{task.description}", markup=False), *columns, console=err, transient=True, disable=not err.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, total=total, completed=done)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on stderr what is being waited for, while it lasts, where a person looks on."""
    with err.status(escape(what)):
        yield


def tell_away(path: Path) -> None:
    """Say that a port is gone, and that this is not the end of it."""
    err.print(f"[dim]{escape(str(path))} went away with the reset, as that of a board with its own USB does; waiting for it[/]")


def read_bytes(path: Path) -> bytes:
    """A file that a person named; raises ImageRefused."""
    from edged.core.errors import ImageRefused

    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ImageRefused(f"{path} is no file", fault="unreadable")
        return path.read_bytes()
    except OSError as error:
        raise ImageRefused(f"{path}: {error.strerror}", fault="unreadable") from error


def is_tflite(data: bytes) -> bool:
    """Whether a file begins as a model of TFLite, whatever its name."""
    from edged.infer.graph import IDENTIFIER

    return data[4:8] == IDENTIFIER


def sent(progress: Progress) -> str:
    """How an upload went, in words."""
    fresh = progress.sent_bytes - progress.resumed_bytes
    text = f"{fresh:,} bytes in {progress.elapsed_s:.1f} s, {progress.rate_bps:,.0f} bytes/s"
    return f"{text}; {progress.resumed_bytes:,} were there from before" if progress.resumed_bytes else text


def runs(info: BoardInfo) -> str:
    """What a board runs, in a line."""
    if info.mode == "loader":
        return "its loader"
    firmware = f"firmware {info.version} ({info.state}), engine {info.engine}"
    model = info.model
    return f"{firmware}; " + (f"model {model.name} {model.version} ({model.state})" if model.hash else "no model")


def need_model(info: BoardInfo) -> None:
    """Raise BoardRefused for a board that runs none, with what it needs to."""
    from edged.core.errors import BoardRefused

    if info.mode == "loader":
        raise BoardRefused("the board is in its loader, which runs no model", hint="`edged mcu flash` brings a firmware that does.")
    if not info.inputs:
        raise BoardRefused("the board runs no model", hint=info.diagnosis or "`edged mcu model` brings one.")


def describe(image: Image) -> str:
    """An image in a line."""
    name = f" {image.model_name}" if image.model_name else ""
    return f"{image.kind}{name} {image.version} for {image.board}, counter {image.counter}"


def golden_vectors(image: Image) -> int:
    """How many answers the image of a model has a board compare; said on stderr if none. Raises ImageRefused where no model is."""
    from edged.mcu.package import read

    count = len(read(image.payload).vectors)
    if not count:
        err.print(
            "[yellow]no golden vectors[/]: the self-test of a board that gets this image proves nothing but that the model loads. "
            "`edged mcu sign` without --no-golden adds some, and `--input FILE` an answer to an input of your own."
        )
    return count


def say(text: str) -> None:
    """A line for a person, as it stands."""
    out.print(text, markup=False)
