"""One model in the place of another, again and again, at 30 frames a second: are frames lost or late, does memory grow?

The quantised SSD MobileNet v1 and its twin without metadata if the test data is there, else BlazeFace twice. Gaps are between
results as the kernel stamps them when the vision process says them. The same source is watched for a while without a swap as well:
what a busy machine delays by itself shows there (`chrt -f 5 scripts/bench swap` keeps others off).
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pipeline
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from edged.core.event import ObjectLeft
from edged.infer.bundle import load_bundle, resolve
from edged.infer.manifest import FILE_NAME, format_manifest
from edged.infer.settings import ModelSettings
from edged.sources.settings import FileSettings
from edged.tracking.settings import TrackerSettings
from edged.vision import datagrams, ipc, note
from edged.vision.counters import CameraStats
from edged.vision.settings import CameraSettings, VisionSettings

FPS = 30
SETTLED = 10
"""After so many swaps allocators have taken what they keep; growth counts from there."""

EVERY_FRAME_HZ = 1e9
SO_TIMESTAMPNS = 35
"""Of Linux (asm-generic/socket.h); Python does not name it."""


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--swaps", type=int, default=100, help="how many (default %(default)s)")
    parser.add_argument("--frames", type=int, default=15, help="results between two (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="inference threads (default %(default)s)")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as directory, Progress(console=console) as progress:
        task = progress.add_task("clip", total=arguments.swaps + 1)
        bundles, clip = _material(Path(directory))
        orders = [_settings(bundle, clip, arguments.threads) for bundle in bundles]
        with _running(orders[0]) as vision:
            vision.results(2 * FPS)  # warm
            progress.update(task, description="without a swap", advance=1)
            watched = max(FPS, arguments.swaps * arguments.frames // 4)
            quiet = vision.results(watched)
            progress.update(task, description="in the shadow")
            agreement = vision.shadow(orders[1], watched)
            shadowed = vision.seen[-watched:]
            first, rss_mb = len(vision.seen), [vision.rss_mb("VmRSS")]
            for number in range(1, arguments.swaps + 1):
                progress.update(task, description="swap", advance=1)
                vision.reconfigure(replace(orders[number % 2], run=str(number)))
                vision.results(arguments.frames)
                rss_mb.append(vision.rss_mb("VmRSS"))
            swapping, peak_mb = vision.seen[first - 1 :], vision.rss_mb("VmHWM")
            stats = vision.stop()
    memory = {"rss_rise_mb": peak_mb - rss_mb[0], "rss_growth_mb": _growth_mb(rss_mb)}
    shadow = {name: getattr(agreement, name) for name in ("frames", "matched", "only_serving", "only_candidate", "latency_ratio")}
    counts, delays = _frames(vision, stats), _delays(swapping, quiet, shadowed)
    return {"swaps": arguments.swaps, **counts, **delays, **memory, "shadow": shadow}


@dataclass(frozen=True, slots=True)
class Result:
    """A frame that was inferred: its number, when that was said (CLOCK_REALTIME), and how old it was then."""

    seq: int
    at_ns: int
    age_ms: float


@dataclass(slots=True)
class Vision:
    """A vision process, its end of the channel, and what it said."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    seen: list[Result] = field(default_factory=list)
    closed: int = 0
    """Objects that were closed though nobody left."""

    def next(self) -> ipc.Report:
        datagram, ancillary, _, _ = self.channel.recvmsg(datagrams.MAX_MESSAGE_BYTES, 64)
        if not datagram:
            raise SystemExit(f"the vision process ended:\n{self.process.communicate()[1].decode()}")
        report = datagrams.decode_report(datagram)
        if isinstance(report, ipc.Live):
            seconds, nanoseconds = struct.unpack("@qq", ancillary[0][2])
            at_ns = seconds * 10**9 + nanoseconds
            since_capture_ns = at_ns - (time.time_ns() - time.monotonic_ns()) - report.captured_ns
            self.seen.append(Result(report.seq, at_ns, since_capture_ns / 1e6))
        self.closed += isinstance(report, ObjectLeft) and report.reason == "stopped"
        return report

    def results(self, count: int) -> list[Result]:
        """The next so many."""
        until = len(self.seen) + count
        while len(self.seen) < until:
            self.next()
        return self.seen[-count:]

    def reconfigure(self, settings: VisionSettings) -> None:
        self.channel.send(datagrams.encode(ipc.Reconfigure(settings)))
        while not isinstance(report := self.next(), ipc.Reconfigured | ipc.Refused):
            pass
        if isinstance(report, ipc.Refused):
            raise SystemExit(f"refused: {report.problems}")

    def shadow(self, candidate: VisionSettings, results: int) -> ipc.Agreement:
        """Show every frame of the next so many results to the other model as well; it goes on until it is told to stop."""
        name, model = next(iter(candidate.models.items()))
        order = ipc.Shadow(name, model, candidate.identities[name], share=1.0, frames=10**9, seconds=600)
        self.channel.send(datagrams.encode(order))
        while not (isinstance(report := self.next(), ipc.Agreement) and report.digest):
            pass  # it is loaded
        self.results(results)
        self.channel.send(datagrams.encode(ipc.StopShadow()))
        while not (isinstance(report, ipc.Agreement) and report.ended):
            report = self.next()
        return report

    def stop(self) -> CameraStats:
        """Let it leave; its last counters."""
        closed, stats = self.closed, ipc.Stats(())
        self.channel.send(datagrams.encode(ipc.Stop()))
        while not isinstance(report := self.next(), ipc.Finished):
            stats = report if isinstance(report, ipc.Stats) else stats
        self.closed = closed
        return stats.cameras[0]

    def rss_mb(self, what: str) -> float:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        return int(lines[what].split()[0]) / 1024


@contextmanager
def _running(settings: VisionSettings) -> Iterator[Vision]:
    ours, theirs = datagrams.pair()
    memory, memory_fd = note.shared()
    ours.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    ours.settimeout(60)
    command = [sys.executable, "-P", "-m", "edged.vision", str(theirs.fileno()), str(memory_fd)]
    with ours, theirs:
        process = subprocess.Popen(command, pass_fds=[theirs.fileno(), memory_fd], stderr=subprocess.PIPE)
        os.close(memory_fd)
        theirs.close()
        ours.send(datagrams.encode(settings))
        try:
            yield Vision(process, ours)
        finally:
            process.kill()
            process.communicate()
            memory.close()


def _material(scratch: Path) -> tuple[list[Path], Path]:
    """Two bundles of one model, and the clip."""
    reference, source, skip = pipeline.material()
    bundle = load_bundle(resolve(reference))
    model = bundle.paths["cpu"]
    twin = model.with_name(f"{model.stem}_no_metadata.tflite")
    made = []
    for name, file in (("one", model), ("other", twin if twin.exists() else model)):
        directory = scratch / name
        directory.mkdir()
        (directory / model.name).write_bytes(file.read_bytes())
        manifest = replace(bundle.manifest, version=name, files={"cpu": model.name}, sha256={})
        (directory / FILE_NAME).write_text(format_manifest(manifest))
        made.append(directory)
    return made, pipeline.make_clip(source, skip, scratch / "clip.avi", FPS)


def _settings(bundle: Path, clip: Path, threads: int) -> VisionSettings:
    camera = CameraSettings(model="bench", file=FileSettings(path=clip, loop=True), live_max_hz=EVERY_FRAME_HZ)
    return VisionSettings(
        cameras={"clip": camera},
        models={"bench": ModelSettings(bundle=str(bundle), threads=threads)},
        tracking=TrackerSettings(),
        identities={"bench": load_bundle(bundle).identity},
        run="0",
    )


def _gaps_ms(results: Sequence[Result]) -> list[float]:
    return [(b.at_ns - a.at_ns) / 1e6 for a, b in pairwise(results)]


def _frames(vision: Vision, stats: CameraStats) -> dict[str, int]:
    seqs = [result.seq for result in vision.seen]
    return {
        "frames": len(seqs),
        "frames_lost": seqs[-1] + 1 - len(set(seqs)) - stats.live_unsent,
        "frames_twice": len(seqs) - len(set(seqs)),
        "frames_replaced_before_inference": stats.dropped,
        "objects_cut_off": vision.closed,
    }


def _delays(swapping: Sequence[Result], quiet: Sequence[Result], shadowed: Sequence[Result]) -> dict[str, float]:
    gaps, before, beside = _gaps_ms(swapping), _gaps_ms(quiet), _gaps_ms(shadowed)
    median = statistics.median(gaps)
    ages = {name: [result.age_ms for result in results] for name, results in (("", quiet), ("_shadowed", shadowed))}
    return {
        **{f"age_p50_ms{name}": statistics.median(of) for name, of in ages.items()},
        **{f"age_p95_ms{name}": sorted(of)[int(0.95 * len(of))] for name, of in ages.items()},
        "longest_gap_ratio_shadowed": max(beside) / statistics.median(beside),
        "median_gap_ms": median,
        "p99_gap_ms": sorted(gaps)[int(0.99 * len(gaps))],
        "longest_gap_ms": max(gaps),
        "longest_gap_ratio": max(gaps) / median,
        "longest_gap_ratio_without": max(before) / statistics.median(before),
    }


def _growth_mb(rss_mb: Sequence[float]) -> float:
    """From the first readings that allocators have settled in to the last ones."""
    settled = rss_mb[min(SETTLED, len(rss_mb) - 1) :]
    return statistics.median(settled[-SETTLED:]) - statistics.median(settled[:SETTLED])


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{result['swaps']} swaps, {result['frames']} frames", title_justify="left")
    for heading in ("what", "measured", "goal"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    table.add_row("frames lost", str(result["frames_lost"]), "0")
    table.add_row("frames inferred twice", str(result["frames_twice"]), "0")
    table.add_row("objects cut off by a swap", str(result["objects_cut_off"]), "0")
    table.add_row("gap between results, median", f"{result['median_gap_ms']:.1f} ms", "")
    table.add_row("gap, p99", f"{result['p99_gap_ms']:.1f} ms", "")
    table.add_row("gap, longest", f"{result['longest_gap_ms']:.1f} ms", "")
    table.add_row("longest by median", f"{result['longest_gap_ratio']:.2f}", "<= 1.5")
    table.add_row("the same without a swap", f"{result['longest_gap_ratio_without']:.2f}", "")
    table.add_row("the same while a candidate sees every frame", f"{result['longest_gap_ratio_shadowed']:.2f}", "")
    for name, words in (("", "capture to result"), ("_shadowed", "the same while a candidate sees every frame")):
        table.add_row(f"{words}, p50", f"{result[f'age_p50_ms{name}']:.1f} ms", "")
        table.add_row(f"{words}, p95", f"{result[f'age_p95_ms{name}']:.1f} ms", "")
    table.add_row("RSS, peak above that before the first swap", f"{result['rss_rise_mb']:.1f} MB", "")
    table.add_row(f"RSS, growth after the first {SETTLED} swaps", f"{result['rss_growth_mb']:.1f} MB", "0")
    console.print(table)
