"""What the daemon says of itself at ``/metrics``. Its counters go on over reloads and restarts."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection

from prometheus_client.parser import text_string_to_metric_families

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames of one camera since the daemon started; CPU time by stage, and the ages at which they were inferred, added up."""

    captured: int
    inferred: int
    dropped: int
    damaged: int
    late: int
    cpu_s: dict[str, float]
    ages_s: float


@dataclass(frozen=True, slots=True)
class Reading:
    """All cameras at one moment (CLOCK_MONOTONIC), and how often the vision process died until then."""

    at_s: float
    cameras: dict[str, Counts]
    vision_restarts: int


def ask(port: int) -> Reading:
    """Ask the daemon; raises ConnectionRefusedError if it does not listen."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", "/metrics")
        return parse(connection.getresponse().read().decode(), time.monotonic())


def parse(text: str, at_s: float) -> Reading:
    """A page of ``/metrics``."""
    values = {
        (sample.name.removeprefix("edged_"), sample.labels.get("camera"), sample.labels.get("stage")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }

    def counts(camera: str) -> Counts:
        frames = (
            int(values[f"camera_frames_{what}_total", camera, None])
            for what in ("captured", "inferred", "dropped", "damaged", "late")
        )
        cpu_s = {
            stage: value
            for (name, of, stage), value in values.items()
            if stage and (name, of) == ("camera_cpu_seconds_total", camera)
        }
        return Counts(*frames, cpu_s, values["camera_frame_age_seconds_sum", camera, "inferred"])

    cameras = sorted(camera for name, camera, _ in values if camera and name == "camera_frames_captured_total")
    return Reading(at_s, {camera: counts(camera) for camera in cameras}, int(values["vision_restarts_total", None, None]))
