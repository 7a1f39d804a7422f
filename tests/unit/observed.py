"""An observation in which everything is there, for the tests to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edged.core.clock import ClockReading
from edged.core.latency import Histogram, Latency
from edged.core.mcu import McuCounters, McuState
from edged.daemon.cameras import CameraState
from edged.daemon.machine import Machine, ProcessUse, Throttling
from edged.daemon.mcus import McuObservation
from edged.daemon.observation import CameraObservation, Observation
from edged.mqtt.stats import PublisherStats
from edged.store.outbox import OutboxCounts
from edged.vision import ipc
from edged.vision.counters import CameraStats

SECOND_NS = 10**9


def latency(*times_ms: float) -> Latency:
    histogram = Histogram()
    for time_ms in times_ms:
        histogram.add(round(time_ms * 1e6))
    return histogram.read()


def counters(camera: str = "door", **changes: Any) -> CameraStats:
    stats = CameraStats(
        camera=camera,
        captured=100,
        dropped=20,
        inferred=78,
        tracks=2,
        tracks_dropped=1,
        live_unsent=3,
        capture_cpu_ms=10,
        prepare_cpu_ms=20,
        decode_cpu_ms=30,
        track_cpu_ms=40,
        report_cpu_ms=50,
        invoke_ms=3000,
        invoke_cpu_ms=2900,
        age_ms=60,
        newest_age_ms=35,
        damaged=4,
        late=5,
        since_ns=1,
        decoded_age=latency(1, 2, 4),
        inferred_age=latency(30, 40, 60),
        reported_age=latency(30, 40, 90),
        invoke=latency(20, 25),
    )
    return replace(stats, **changes)


def camera(name: str = "door", state: Any = "online", reason: str = "") -> CameraObservation:
    return CameraObservation(CameraState(name, state, 0, 640, 480, 30.0, "USB", reason), counters(name))


def mcu(name: str = "porch", state: Any = "online", *problems: tuple[Any, str], **changes: Any) -> McuObservation:
    counters = McuCounters(reports=500, results=400, missed=3, damaged=2, restarts=1)
    fields = {
        "board": "host",
        "firmware_version": "1.0.0",
        "firmware": "ab" * 8,
        "model_name": "person",
        "model_version": "2.0.0",
        "model": "cd" * 8,
        "uptime_ms": 61_000,
        "arena_used_bytes": 80_000,
        "arena_size_bytes": 100_000,
        "invoke_us_mean": 1500,
    }
    return McuObservation(McuState(name, state, 0, **{**fields, "counters": counters, **changes}), problems)


def model(**changes: Any) -> ipc.ModelServes:
    fields = ("ssd", "ssd_mobilenet", "1", "ab" * 32, "ai-edge-litert 2.3.0", "xnnpack", 1, 2, 12.5, "")
    return replace(ipc.ModelServes(*fields, at_ns=0), **changes)


def at(now_s: float, **changes: Any) -> Observation:
    """Everything is well."""
    return replace(
        Observation(
            clock=ClockReading(round(now_s * SECOND_NS), 1_750_000_000 * SECOND_NS + round(now_s * SECOND_NS), "synchronised"),
            started_ns=SECOND_NS,
            ready=True,
            vision_failing=False,
            vision_restarts=0,
            stuck=False,
            cameras=(camera(),),
            models=(model(),),
            events={"object_appeared": 5, "object_left": 4},
            events_waiting=1,
            events_lost=0,
            store_full=False,
            outbox=OutboxCounts(9, 7, 0, 2),
            outbox_age_s=12.34,
            broker=PublisherStats(True, 5, "5", 1, 8, 7, 0, 30, 2),
            retained_waiting=0,
            reloads_accepted=1,
            reloads_refused=0,
            reload_refusal="",
            processes={"main": ProcessUse(1.5, 40_000_000, 4, 20, 7), "vision": ProcessUse(9.0, 100_000_000, 8, 6, 9)},
            mcus=(mcu(),),
            machine=Machine({"cpu-thermal": 51.25}, Throttling((), ()), 5_000_000_000),
        ),
        **changes,
    )
