"""What was seen in a soak, and what follows from it for each camera. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import pairwise

from edged.vision.ipc import CameraStats
from soak.beats import Beat
from soak.process import Sample
from soak.shares import Window

PROCESSES = ("main", "vision")


@dataclass(frozen=True, slots=True)
class Rest:
    """A stretch of time in which nothing was wrong, and the trouble before it."""

    after: str
    began_s: float
    ended_s: float

    def holds(self, at_s: float) -> bool:
        return self.began_s <= at_s <= self.ended_s


@dataclass(frozen=True, slots=True)
class Ledger:
    """The store's account of its events."""

    produced: int
    delivered: int
    dropped: int
    queued: int


@dataclass(slots=True)
class Record:
    """All that was seen. Times are CLOCK_MONOTONIC."""

    began_s: float
    ended_s: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    troubles: list[tuple[float, str]] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    ledger: Ledger = Ledger(0, 0, 0, 0)
    vision_deaths: int = 0
    exit_status: int = 0

    def of(self, process: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.process == process]

    def at_rest(self, rest: Rest, process: str) -> list[Sample]:
        return [sample for sample in self.of(process) if rest.holds(sample.at_s)]

    def settled(self) -> list[Rest]:
        """The rests after every kind of trouble was met once: what is made at the first need is there by then."""
        kinds = {kind for _, kind in self.troubles}
        met = [{rest.after for rest in self.rests[: n + 1]} for n in range(len(self.rests))]
        return [rest for rest, before in zip(self.rests, met, strict=True) if before >= kinds]

    def windows(self) -> Iterator[Window]:
        """From heartbeat to heartbeat while nothing was wrong."""
        for a, b in pairwise(self.beats):
            before, after = counts_of(a), counts_of(b)
            if before.keys() != after.keys() or not any(rest.holds(a.at_s) and rest.holds(b.at_s) for rest in self.rests):
                continue
            came = {name: after[name].captured - before[name].captured for name in after}
            inferred = {name: after[name].inferred - before[name].inferred for name in after}
            if min(*came.values(), *inferred.values()) >= 0:  # else a camera was made anew
                yield Window(came, inferred)


@dataclass(slots=True)
class Camera:
    """One camera over a whole soak. ``*_cpu`` are shares of one CPU; ``age_ms`` is capture to result, the median over time."""

    captured: int = 0
    inferred: int = 0
    replaced: int = 0
    damaged: int = 0
    late: int = 0
    live_unsent: int = 0
    capture_cpu: float = 0.0
    stages_cpu: float = 0.0
    invoke_cpu: float = 0.0
    age_ms: float = 0.0


SOURCES = {
    "captured": ("captured",),
    "inferred": ("inferred",),
    "replaced": ("dropped",),
    "damaged": ("damaged",),
    "late": ("late",),
    "live_unsent": ("live_unsent",),
    "capture_cpu": ("capture_cpu_ms",),
    "stages_cpu": ("prepare_cpu_ms", "decode_cpu_ms", "track_cpu_ms", "report_cpu_ms"),
    "invoke_cpu": ("invoke_cpu_ms",),
}
"""Of which counters of the vision process each number of a camera is the sum."""


def cameras(record: Record) -> dict[str, Camera]:
    """What became of each camera's frames, and what they cost; counters that begin anew are added up."""
    found: dict[str, Camera] = {}
    ages: dict[str, list[float]] = {}
    before: dict[str, CameraStats] = {}
    for beat in record.beats:
        for name, stats in counts_of(beat).items():
            camera, last = found.setdefault(name, Camera()), before.get(name)
            for total, sources in SOURCES.items():
                for source in sources:
                    value, known = getattr(stats, source), getattr(last, source, 0)
                    setattr(camera, total, getattr(camera, total) + (value - known if value >= known else value))
            ages.setdefault(name, []).append(stats.age_ms)
            before[name] = stats
    milliseconds = max(record.ended_s - record.began_s, 1e-3) * 1e3
    for name, camera in found.items():
        for one in fields(camera):
            if one.name.endswith("_cpu"):
                setattr(camera, one.name, getattr(camera, one.name) / milliseconds)
        camera.age_ms = statistics.median(ages[name])
    return found


def counts_of(beat: Beat) -> dict[str, CameraStats]:
    return {stats.camera: stats for stats in beat.stats.cameras}
