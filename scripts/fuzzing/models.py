"""Damaged models through the probe: each is refused for a stated reason, or runs; the probe outlives them all.

A mutant's memory is the most that its process held, less what it held before it saw the file, in relation to the same of the intact
model. A third of it is not the model's own: the pages of the runtime's library that the first model of a process touches.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edged.infer.probe.machine import free_bytes
from edged.infer.probe.prober import Prober
from edged.infer.probe.records import Request, Verdict
from edged.infer.settings import ModelSettings
from edged.testing.mutants import Mutator

MODELS = {
    "ssd_mobilenet_v1_coco_quant": 'name = "ssd_postprocess"',
    "ssd_mobilenet_v2_fpnlite_256_int8": 'name = "ssd_corners"\noutput_order = "scores,offsets,anchors"',
    "blazeface_128x128_quant": 'name = "blazeface"',
    "mobilenet_v1_0.25_128_quant": 'name = "classification"',
}
"""The models and the [decoder] of their manifests."""

ALLOWED_FACTOR = 2.0
"""What a mutant may be seen to take of the intact model's memory. Its process is limited to as much private memory as the intact
model took of all kinds; pages of files, which no limit counts, come on top."""

DEADLINE_FACTOR, LEAST_DEADLINE_S = 20, 5.0
RUNS = "runs"

Mutant = tuple[str, str, bytes]
"""The name of the model, the kind of damage, the file."""


@dataclass(slots=True)
class Tally:
    """What became of the mutants of one model."""

    intact: Verdict
    outcomes: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)
    memory_ratio: float = 0.0
    slowest_s: float = 0.0
    crashes: list[str] = field(default_factory=list)


def register(parser: argparse.ArgumentParser) -> None:
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGED_TEST_DATA", default)), help="the test data")
    parser.add_argument("--count", type=int, default=2000, help="mutants in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same mutants (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the mutants that run, and those that crash, into DIR")


def fuzz(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="edged-fuzz-") as scratch:
        fuzzing = Fuzzing(arguments.data / "models", Path(scratch), arguments.seed, arguments.keep)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            asyncio.run(fuzzing.run(arguments.count, progress))
        return fuzzing.result(arguments.seed)


class Fuzzing:
    """One run over all models, on as many probe processes as there are processors."""

    def __init__(self, models: Path, scratch: Path, seed: int, keep: Path | None) -> None:
        self._data = {name: (models / f"{name}.tflite").read_bytes() for name in MODELS}
        self._scratch = scratch
        self._keep = keep
        self._seed = seed
        self._tallies: dict[str, Tally] = {}
        self._started_s = time.monotonic()
        if keep:
            keep.mkdir(parents=True, exist_ok=True)

    async def run(self, count: int, progress: Progress) -> None:
        async with Prober() as prober:
            for name, data in self._data.items():
                request = self._request(name, data, "intact", free_bytes(), 60.0)
                self._tallies[name] = Tally(await prober.probe(request))
        task = progress.add_task("mutants", total=count)
        mutants = enumerate(self._mutants(count))

        async def work(place: str) -> None:
            async with Prober() as prober:
                for number, mutant in mutants:
                    await self._try(prober, place, number, mutant)
                    progress.advance(task)

        async with asyncio.TaskGroup() as tasks:
            for worker in range(os.cpu_count() or 1):
                tasks.create_task(work(f"worker{worker}"))

    def result(self, seed: int) -> dict[str, Any]:
        models = {
            name: {
                "intact": tally.intact.refusal.message if tally.intact.refusal else RUNS,
                "outcomes": dict(tally.outcomes.most_common()),
                "runs_by_kind": dict(tally.by_kind.most_common()),
                "memory_ratio": tally.memory_ratio,
                "intact_mb": tally.intact.peak_bytes / 2**20,
                "slowest_s": tally.slowest_s,
                "crashes": tally.crashes,
            }
            for name, tally in self._tallies.items()
        }
        held = all(tally.memory_ratio <= ALLOWED_FACTOR for tally in self._tallies.values())
        return {
            "seed": seed,
            "mutants": sum(tally.outcomes.total() for tally in self._tallies.values()),
            "elapsed_s": time.monotonic() - self._started_s,
            "held": held,
            "models": models,
        }

    def _mutants(self, count: int) -> Iterator[Mutant]:
        random = Random(self._seed)
        mutators = {
            name: Mutator(data, [other for other in self._data.values() if other is not data], random)
            for name, data in self._data.items()
        }
        names = list(mutators)
        for number in range(count):
            name = names[number % len(names)]
            yield name, *mutators[name].mutant()

    async def _try(self, prober: Prober, place: str, number: int, mutant: Mutant) -> None:
        name, kind, data = mutant
        tally = self._tallies[name]
        deadline_s = max(LEAST_DEADLINE_S, DEADLINE_FACTOR * tally.intact.elapsed_s)
        request = self._request(name, data, place, tally.intact.peak_bytes, deadline_s)
        verdict = await prober.probe(request)
        outcome = verdict.refusal.fault if verdict.refusal else RUNS
        tally.outcomes[outcome] += 1
        tally.by_kind[kind] += outcome == RUNS
        tally.memory_ratio = max(tally.memory_ratio, verdict.peak_bytes / tally.intact.peak_bytes)
        tally.slowest_s = max(tally.slowest_s, verdict.elapsed_s)
        if outcome == "crashing" and verdict.refusal:
            tally.crashes.append(f"{number} {kind}: {verdict.refusal.message} | {' | '.join(verdict.chatter[-3:])}")
        if self._keep and outcome in {RUNS, "crashing", "hanging"}:
            (self._keep / f"{name}-{self._seed}-{number}-{kind}-{outcome}.tflite").write_bytes(data)

    def _request(self, name: str, data: bytes, place: str, memory_bytes: int, deadline_s: float) -> Request:
        directory = self._scratch / place
        directory.mkdir(exist_ok=True)
        (directory / "m.tflite").write_bytes(data)
        (directory / "model.toml").write_text(f'name = "mutant"\n[files]\ncpu = "m.tflite"\n[decoder]\n{MODELS[name]}\n')
        settings = ModelSettings(bundle=str(directory), threads=1)
        return Request(path=str(directory), settings=settings, memory_bytes=memory_bytes, deadline_s=deadline_s)


def show(result: dict[str, Any], console: Console) -> None:
    models = result["models"]
    title = f"{result['mutants']} mutants, seed {result['seed']}, {result['elapsed_s']:.0f} s"
    table = Table(title=title, title_justify="left")
    table.add_column("outcome")
    for name in models:
        table.add_column(name, justify="right", overflow="fold")
    for outcome in sorted({outcome for model in models.values() for outcome in model["outcomes"]}):
        table.add_row(outcome, *(str(model["outcomes"].get(outcome, 0)) for model in models.values()))
    table.add_section()
    table.add_row("memory, of the intact model's", *(f"{m['memory_ratio']:.2f} x {m['intact_mb']:.0f} MB" for m in models.values()))
    table.add_row("slowest", *(f"{m['slowest_s']:.1f} s" for m in models.values()))
    console.print(table)
    for model in models.values():
        for crash in model["crashes"]:
            console.print(crash, markup=False)
