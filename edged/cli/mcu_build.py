"""``edged mcu build``: the firmware for a board, from its sources, with the compiler of this machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.mcu_common import say
from edged.cli.terminal import err
from edged.core.errors import ToolFailed

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs

HOST = "host"
CROSS = {"arm-none-eabi-g++": "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib"}
NATIVE = {"g++": "g++"}
ALWAYS = {"cmake": "cmake", "ninja": "ninja-build"}
"""Programs, and the Debian packages that have them."""

RESULTS = ("loader.elf", "app.elf", "app.bin", "edged-mcu")

MOST_ERRORS = 5
"""The first says what is wrong, the rest is its consequences."""

AFTER_ERRORS = ("-- ", "CMake ", "Call Stack", "Preset CMake", "See also")
"""What CMake goes on with after the text of an error."""

_STEP = re.compile(r"^\[(\d+)/(\d+)\]")


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("build", help="build the firmware for a board, with the compiler of this machine")
    action.add_argument(
        "board", nargs="?", metavar="BOARD", help="one of those that there are sources for; without one they are listed"
    )
    action.add_argument(
        "--key", type=Path, metavar="FILE", help="public key that the loader trusts (default: a throw-away one is made)"
    )
    action.add_argument("--engine", choices=("native", "tflm"), default="native", help="what runs models (default: %(default)s)")
    action.add_argument("--tflm-root", type=Path, metavar="DIR", help="TensorFlow Lite Micro as you built it, for --engine tflm")
    action.add_argument(
        "--model",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a .tflite that is to run: only operators of those that are named are linked (default: all that the engine has)",
    )
    action.add_argument("--firmware", type=Path, metavar="DIR", help="the sources (default: those that edged came with)")
    action.add_argument("-o", "--output", type=Path, metavar="DIR", help="where to build (default: build/firmware/BOARD)")
    action.add_argument("--json", action="store_true", help="one JSON object")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build."""
    sources = find_sources(arguments.firmware)
    boards = presets(sources)
    if arguments.board is None:
        print(json.dumps({"boards": boards})) if arguments.json else say("\n".join(boards))
        return 0
    if arguments.board not in boards:
        raise ToolFailed(f"there are no sources for a board {arguments.board!r}", hint=f"There are: {', '.join(boards)}.")
    need(ALWAYS | (NATIVE if arguments.board == HOST else CROSS))
    output = (arguments.output or Path("build/firmware") / arguments.board).absolute()
    configure = ["cmake", "-S", str(sources), "-B", str(output), "--preset", arguments.board, *_definitions(arguments)]
    asyncio.run(_build(arguments.board, configure, ["cmake", "--build", str(output)]))
    found = [output / name for name in RESULTS if (output / name).is_file()]
    if arguments.json:
        print(json.dumps({"board": arguments.board, "files": {str(path): sizes(path) for path in found}}))
        return 0
    for path in found:
        say(f"{path}: " + ", ".join(f"{size:,} bytes {name}" for name, size in sizes(path).items()))
    return 0


def find_sources(named: Path | None) -> Path:
    """Those that were named, of a checkout, or of the package; raises ToolFailed."""
    package = Path(__file__).parents[1]
    places = [named] if named is not None else [package.parent / "firmware", package / "files" / "firmware"]
    for place in places:
        if (place / "CMakePresets.json").is_file():
            return place
    raise ToolFailed(f"no sources of the firmware in {' or '.join(map(str, places))}", hint="Name their directory with --firmware.")


def presets(sources: Path) -> list[str]:
    """The boards that there are sources for."""
    listed = json.loads((sources / "CMakePresets.json").read_text())["configurePresets"]
    ports = {preset["name"]: preset.get("cacheVariables", {}).get("EDGED_PORT") for preset in listed if not preset.get("hidden")}
    return [name for name, port in ports.items() if port is not None and (sources / "ports" / port / "CMakeLists.txt").is_file()]


def need(programs: dict[str, str]) -> None:
    """Raises ToolFailed with the Debian packages of those that are missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        packages = " ".join(programs[name] for name in missing)
        raise ToolFailed(f"not installed: {', '.join(missing)}", hint=f"On Debian: `sudo apt install {packages}`.")


def sizes(path: Path) -> dict[str, int]:
    """What a result weighs: of an ELF file what it needs of each memory."""
    import subprocess

    if path.suffix != ".elf":
        return {"in all": path.stat().st_size}
    said = subprocess.run(["arm-none-eabi-size", str(path)], capture_output=True, text=True, check=False)
    numbers = said.stdout.splitlines()[-1].split()[:3] if said.returncode == 0 else []
    return dict(zip(("of code", "of data", "of zeroed data"), map(int, numbers), strict=False))


def _definitions(arguments: argparse.Namespace) -> list[str]:
    named = {"EDGED_PYTHON": sys.executable, "EDGED_ENGINE": arguments.engine, "EDGED_TESTS": "OFF", "EDGED_KEY": ""}
    named["EDGED_MODEL"] = ";".join(str(path.absolute()) for path in _models(arguments.model))
    if arguments.key is not None:
        named["EDGED_KEY"] = str(_public_key(arguments.key).absolute())
    if arguments.engine == "tflm":
        if arguments.tflm_root is None:
            raise ToolFailed(
                "--engine tflm needs --tflm-root: libtensorflow-microlite.a and its headers",
                hint="TensorFlow Lite Micro's own Makefile builds them; edged carries none of it.",
            )
        named["TFLM_ROOT"] = str(arguments.tflm_root.absolute())
    return [f"-D{name}={value}" for name, value in named.items()]


def _models(paths: Sequence[Path]) -> Sequence[Path]:
    """Raises ModelRejected, ToolFailed for what the build could not read."""
    from edged.tooling.mcu_operators import operators

    try:
        operators(paths)
    except OSError as error:
        raise ToolFailed(f"{error.filename}: {error.strerror}", hint="--model names the .tflite files that are to run.") from error
    for path in paths:
        if ";" in str(path.absolute()):
            raise ToolFailed(f"{path}: CMake takes a semicolon for the end of a name", hint="Give it another name.")
    return paths


def _public_key(path: Path) -> Path:
    """Raises ToolFailed if it is none; CMake would say so too, in more words."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ToolFailed(f"{path}: {error.strerror}", hint="`edged mcu keygen` makes a key.") from error
    if b"BEGIN PUBLIC KEY" not in pem:
        hint = "`edged mcu keygen` puts one, .pub.pem, beside each private key."
        raise ToolFailed(f"{path} is no public key, and a loader holds nothing else", hint=hint)
    return path


def what_failed(said: Sequence[str]) -> list[str]:
    """The errors among the lines of CMake and compilers; CMake's are the lines after the one that says where, folded."""
    wrong: list[str] = []
    in_error = False
    for line in said:
        if line.startswith("CMake Error at"):
            in_error = True
            wrong.append("")
        elif in_error and not line.startswith(AFTER_ERRORS):
            wrong[-1] = f"{wrong[-1]} {line}".strip()
        else:
            in_error = False
            wrong += [line] if "error: " in line else []
    return wrong[:MOST_ERRORS]


async def _build(board: str, *commands: Sequence[str]) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from edged.mcu.tools.flasher import run_program

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"building {board}", total=None)
        said: list[str] = []

        def on_text(line: str) -> None:
            said.append(line)
            if step := _STEP.match(line):
                bar.update(task, completed=int(step[1]), total=int(step[2]))

        for command in commands:
            try:
                await run_program(command, on_text)
            except ToolFailed as error:
                raise ToolFailed(f"{board} does not build: {' | '.join(what_failed(said)) or error.message}") from error
        throw_away = [line for line in said if "throw-away" in line]
    for line in throw_away:
        err.print(f"[yellow]{line.removeprefix('-- ')}[/]")
