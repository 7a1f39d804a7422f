"""The parsers of the firmware under libFuzzer, with the sanitizers of addresses and undefined behaviour.

Every program of firmware/ whose name begins with fuzz_ is a target; what must hold for it stands at the top of its source. What it
learns is kept under build/fuzz/ for the next run, and so is every input that it does not survive.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import firmware_seeds
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
PRESETS = {64: "host-asan", 32: "fuzz-32"}
"""By the bits of an address: sums that overflow on a microcontroller do not on most machines that it is tested on."""

BUILDS = ROOT / "build" / "firmware"

FINAL = re.compile(r"DONE\s+cov: (\d+)")
EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
CULPRIT = re.compile(r"Test unit written to (\S+)")

GRACE_S = 60
"""What a target may take beyond its time: to read its corpus, and to end."""


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="*", help="fuzz_smp, say (default: all)")
    parser.add_argument("--seconds", type=int, default=120, help="of running, shared by the targets (default: %(default)s)")
    parser.add_argument(
        "--bits", type=int, choices=PRESETS, default=64, help="of an address: 32 as on a microcontroller (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of libFuzzer's random numbers (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", default=ROOT / "build" / "fuzz", help="where inputs are kept")


def fuzz(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    with console.status("building"):
        programs = build(arguments.target, PRESETS[arguments.bits])
    workers = os.cpu_count() or 1
    rounds = -(-len(programs) // workers)
    seconds = max(1, arguments.seconds // rounds)

    def run(program: Path) -> dict[str, Any]:
        return run_one(program, arguments.keep.resolve() / program.name, seconds, arguments.seed)

    with (
        console.status(f"{', '.join(program.name for program in programs)}: {seconds} s each"),
        ThreadPoolExecutor(workers) as pool,
    ):
        results = dict(zip((program.name for program in programs), pool.map(run, programs), strict=True))
    return {"held": all(one["held"] for one in results.values()), "seed": arguments.seed, "targets": results}


def build(targets: list[str], preset: str) -> list[Path]:
    """The programs, made anew where their sources changed."""
    directory = BUILDS / preset
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / f"{preset}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests build there too
        command(["cmake", "--preset", preset, f"-DEDGED_PYTHON={sys.executable}"])
        listed = command(["ninja", "-C", str(directory), "-t", "query", "fuzzers"])
        known = sorted(set(re.findall(r"\bfuzz_\w+$", listed, re.MULTILINE)))
        if unknown := set(targets) - set(known):
            raise SystemExit(f"no target {', '.join(sorted(unknown))}: there are {', '.join(known)}")
        chosen = targets or known
        command(["cmake", "--build", str(directory), "-j", "2", "--target", *chosen])
    return [directory / name for name in chosen]


def command(arguments: list[str]) -> str:
    done = subprocess.run(
        arguments, cwd=ROOT / "firmware", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}:\n{done.stdout}")
    return done.stdout


def run_one(program: Path, keep: Path, seconds: int, seed: int) -> dict[str, Any]:
    corpus, seeds = keep / "corpus", keep / "seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    seeds.mkdir(exist_ok=True)
    for number, data in enumerate(firmware_seeds.of(program.name)):
        (seeds / f"{number:03}").write_bytes(data)
    limits = [f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10", "-print_final_stats=1"]
    try:
        done = subprocess.run(
            [program, *limits, f"-artifact_prefix={keep}/", corpus, seeds],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds + GRACE_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"held": False, "inputs": 0, "coverage": 0, "culprit": None, "said": f"did not end within {seconds + GRACE_S} s"}
    executed, final, culprit = (pattern.search(done.stdout) for pattern in (EXECUTED, FINAL, CULPRIT))
    return {
        "held": done.returncode == 0,
        "inputs": int(executed[1]) if executed else 0,
        "coverage": int(final[1]) if final else 0,
        "culprit": culprit[1] if culprit else None,
        "said": "" if done.returncode == 0 else done.stdout[-4000:],
    }


def show(result: dict[str, Any], console: Console) -> None:
    table = Table("target", "inputs", "edges seen", "outcome")
    for name, one in result["targets"].items():
        table.add_row(name, f"{one['inputs']:,}", f"{one['coverage']:,}", "held" if one["held"] else f"broken: {one['culprit']}")
    console.print(table)
    for one in result["targets"].values():
        if one["said"]:
            console.print(one["said"], markup=False)
