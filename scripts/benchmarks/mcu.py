"""The firmware's engine on emulated cores: instructions, memory and code for each model, and whether TFLM gives the same bytes.

Instructions are counted by QEMU with `-icount shift=0`: what a core executes, not what it takes for it. Code is that of the engine
with the operators of person_detect, and with all of them, what it takes from the C library included; arena is all the memory beside
the model.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "firmware"))

from cores import BENCH, CORES, run  # noqa: E402
from native_engine import by_reference, reference  # noqa: E402

MODELS = {"person_detect": 2, "micro_speech_quantized": 3, "hello_world_int8": 4}
"""And how many inputs of each."""

README = ROOT / "firmware" / "README.md"
MARKERS = ("<!-- scripts/bench mcu: begin -->", "<!-- scripts/bench mcu: end -->")

OURS = re.compile(r"CMakeFiles/edged_ml_bench\w*\.dir/(main|start)\.cc")
PLACED = re.compile(r"^ \.(?:text|rodata|ARM\.exidx)\S*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$", re.M)


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, default=_models(), help="directory of the models (default %(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into firmware/README.md")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    from building import built  # of the tests: other measurements do without what those need

    rows = []
    code = {}
    for machine, core in CORES.items():
        with console.status(f"{core}: building"):
            program = built(machine, f"{BENCH}.elf")
            code[core] = {"all": engine_bytes(program), "person_detect": engine_bytes(built(machine, f"{BENCH}_person.elf"))}
        for name, inputs in MODELS.items():
            with console.status(f"{core}: {name}"):
                rows.append({"model": name, "core": core} | _one(program, machine, arguments.models / f"{name}.tflite", inputs))
    result = {"rows": rows, "code_bytes": code, "tflm_arena_bytes": {name: tflm_arena(arguments.models, name) for name in MODELS}}
    if arguments.write:
        write(result)
    return result


def _one(program: Path, machine: str, path: Path, inputs: int) -> dict[str, Any]:
    model = path.read_bytes()
    judge = reference(model)
    random = np.random.default_rng(1)
    given = [random.integers(-128, 128, judge.get_input_details(0)["shape"]).astype(np.int8) for _ in range(inputs)]
    measured = run(program, machine, model, [one.tobytes() for one in given])
    equal = sum(
        mine == by_reference(judge, [one], 1)[0].tobytes() for mine, one in zip(measured.outputs, given, strict=True)
    )  # fmt: skip
    return {
        "instructions": max(measured.instructions), "arena_bytes": measured.arena_bytes, "inputs": inputs, "equal": equal
    }  # fmt: skip


def engine_bytes(program: Path) -> int:
    """What of the program's code is not the measuring itself, by the linker's map."""
    listed = program.with_suffix(".map").read_text()
    placed = re.sub(r"\n {16,}(0x)", r" \1", listed[listed.index("Linker script and memory map") :])
    return sum(int(size, 16) for at, size, origin in PLACED.findall(placed) if not OURS.search(origin))


def tflm_arena(models: Path, name: str) -> int:
    """What TFLM takes on this machine, where its pointers are twice as long: it says so on stderr only."""
    with tempfile.TemporaryFile() as said:
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            reference((models / f"{name}.tflite").read_bytes()).print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        return int(re.search(rb"Arena allocation total (\d+)", said.read())[1])  # type: ignore[index]


def show(result: dict[str, Any], console: Console) -> None:
    table = Table("model", "core", "instructions", "arena", "same bytes as TFLM")
    for row in result["rows"]:
        table.add_row(*cells(row))
    console.print(table)
    for core, code in result["code_bytes"].items():
        console.print(f"{core}: {code['person_detect']:,} bytes of code for person_detect, {code['all']:,} with all operators")
    for name, arena in result["tflm_arena_bytes"].items():
        console.print(f"{name}: TFLM takes {arena:,} bytes of arena on this machine")


def cells(row: dict[str, Any]) -> list[str]:
    return [
        row["model"],
        row["core"],
        f"{row['instructions']:,}",
        f"{row['arena_bytes']:,}",
        f"{row['equal']} of {row['inputs']}",
    ]


def write(result: dict[str, Any]) -> None:
    code = result["code_bytes"]
    lines = [
        "| model | core | instructions of one inference | arena, bytes | TFLM's arena, bytes | code, bytes | same bytes as TFLM |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in result["rows"]:
        model, core, instructions, arena, equal = cells(row)
        size = code[core]["person_detect" if model == "person_detect" else "all"]
        theirs = result["tflm_arena_bytes"][model]
        lines.append(f"| {model} | {core} | {instructions} | {arena} | {theirs:,} | {size:,} | {equal} |")
    before, rest = README.read_text().split(MARKERS[0])
    after = rest.split(MARKERS[1])[1]
    README.write_text(before + "\n".join([MARKERS[0], *lines, MARKERS[1]]) + after)


def _models() -> Path:
    return Path(os.environ.get("EDGED_TEST_DATA", ROOT.parent / "shared" / "data")) / "models"
