"""How old a frame of a network camera is when the source hands it out, by a clock that the camera draws into its pictures.

The camera is the RTSP server of the tests on this machine (H.264, 25 pictures a second, TCP), so the network costs nothing; what is
measured is encoder, RTP, FFmpeg's parser (which waits for the next picture to know where one ends), decoding and conversion.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edged.sources.open import open_source
from edged.sources.settings import SourceSettings
from edged.sources.stream_settings import StreamSettings

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/integration"))
from cameras import barcode
from cameras.rtsp import RtspCamera

GOAL_P95_MS = 150
PATIENCE_S = 30
"""With the camera, whose machine may be busy; no measure of speed."""

LEAST_FRAMES = 20
"""What percentiles are taken of, however long that takes."""


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=20, help="how long to watch")
    parser.add_argument("--transport", choices=("tcp", "udp"), default="tcp")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    ages, errors = [], []
    with RtspCamera() as camera, console.status("watching"):
        stream = StreamSettings(url=camera.url, transport=arguments.transport, open_timeout_s=PATIENCE_S)
        began = time.monotonic()
        with open_source("bench", SourceSettings(stream=stream, stall_after_s=2 * PATIENCE_S)) as source:
            opened = time.monotonic()
            for frame in source:
                now = barcode.now()
                stamp = barcode.stamp_of(frame.image)
                if not ages:
                    first = time.monotonic()
                ages.append(barcode.age_ms(stamp, now))
                errors.append(barcode.age_ms(stamp, frame.captured_ns // 1_000_000 & 0xFFFFFFFF))
                if time.monotonic() - opened > arguments.seconds and len(ages) > LEAST_FRAMES:
                    break
            passed_over = {"damaged": source.damaged, "late": source.late}
    return {
        "frames": len(ages),
        **passed_over,
        "age_p50_ms": statistics.median(ages),
        "age_p95_ms": statistics.quantiles(ages, n=20)[-1],
        "age_max_ms": max(ages),
        "first_age_ms": ages[0],
        "captured_late_p50_ms": statistics.median(errors),
        "captured_spread_ms": statistics.quantiles(errors, n=20)[-1] - statistics.quantiles(errors, n=20)[0],
        "open_s": opened - began,
        "first_frame_s": first - began,
        "goal_p95_ms": GOAL_P95_MS,
    }


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"frame age over RTSP, {result['frames']} frames", title_justify="left")
    table.add_column("")
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    table.add_row("age, median", f"{result['age_p50_ms']:.0f} ms")
    table.add_row("age, 95 %", f"{result['age_p95_ms']:.0f} ms", f"<= {GOAL_P95_MS} ms")
    table.add_row("age, worst", f"{result['age_max_ms']:.0f} ms")
    table.add_row("age of the first frame", f"{result['first_age_ms']:.0f} ms")
    table.add_row("captured_ns behind the drawing, median", f"{result['captured_late_p50_ms']:.0f} ms")
    table.add_row("captured_ns, spread 5 to 95 %", f"{result['captured_spread_ms']:.0f} ms")
    table.add_row("asked to first frame", f"{result['first_frame_s']:.2f} s")
    table.add_row("passed over: damaged, late", f"{result['damaged']}, {result['late']}")
    console.print(table)
