"""From observations to a judgement: how the device is, what is wrong, and since when.

Pure. A problem keeps its beginning for as long as it is there; one that shows only when a counter grows stays for a while after.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.core.problem import HealthStatus, Problem, ProblemCode
from edged.daemon.machine import Throttling
from edged.daemon.observation import Observation

LEAST_FREE_BYTES = 64 << 20
"""Below this the store cannot keep its reserve and journal, and the system itself begins to fail."""

HELD_S = 600.0
"""How long events that were dropped are a problem after the last of them: it comes in bursts."""

Found = tuple[ProblemCode, str, str]
"""Code, subject, detail."""


class Condition:
    """How the device is."""

    def __init__(self) -> None:
        self.status: HealthStatus = "ok"
        self.since_ns = 0
        self.problems: tuple[Problem, ...] = ()
        self._dropped: int | None = None
        self._dropping_until_ns = 0

    def note(self, observation: Observation) -> bool:
        """Take in an observation; whether the status changed, or problems came or went."""
        now_ns = observation.clock.monotonic_ns
        self._note_dropped(observation.outbox.dropped, now_ns)
        before = {(problem.code, problem.subject): problem.since_ns for problem in self.problems}
        self.problems = tuple(
            Problem(code, subject, detail, before.get((code, subject), now_ns))
            for code, subject, detail in self._problems(observation, now_ns)
        )
        severities = {problem.severity for problem in self.problems}
        status: HealthStatus = "failing" if "failing" in severities else "degraded" if severities else "ok"
        begins = status != self.status or not self.since_ns
        if begins:
            self.status, self.since_ns = status, now_ns
        return begins or before.keys() != {(problem.code, problem.subject) for problem in self.problems}

    def _note_dropped(self, dropped: int, now_ns: int) -> None:
        if self._dropped is not None and dropped > self._dropped:
            self._dropping_until_ns = now_ns + int(HELD_S * 1e9)
        self._dropped = dropped

    def _problems(self, observation: Observation, now_ns: int) -> Iterator[Found]:
        yield from _of_vision(observation)
        for mcu in observation.mcus:
            yield from ((code, mcu.state.mcu, detail) for code, detail in mcu.problems)
        if observation.store_full:
            yield "store_full", "", f"{observation.events_lost} events lost since the start"
        if now_ns < self._dropping_until_ns:
            yield "store_dropping", "", f"{observation.outbox.dropped} events dropped since the store was made"
        free_bytes = observation.machine.disk_free_bytes
        if free_bytes is not None and free_bytes < LEAST_FREE_BYTES:
            yield "disk_low", "", f"{free_bytes >> 20} MiB free"
        if observation.machine.throttling:
            yield from _of_power(observation.machine.throttling)
        if observation.clock.quality != "synchronised":
            yield "clock_unsynchronised", "", ""
        if observation.reload_refusal:
            yield "reload_refused", "", observation.reload_refusal


def _of_vision(observation: Observation) -> Iterator[Found]:
    if observation.vision_failing:
        yield "vision_restarting", "", f"{observation.vision_restarts} restarts since the start"
    if observation.stuck:
        yield "inference_stuck", "", ""
    for model in observation.models:
        if model.fallback:
            yield "accelerator_fallback", model.model_name, model.fallback
    lost = [camera.state for camera in observation.cameras if camera.state.state == "lost"]
    if lost and len(lost) == sum(camera.state.state != "ended" for camera in observation.cameras):
        yield "no_camera", "", ""
    for state in lost:
        yield "camera_lost", state.camera, state.reason


def _of_power(throttling: Throttling) -> Iterator[Found]:
    if "undervoltage" in throttling.now:
        yield "undervoltage", "", ""
    if slowed := [name for name in throttling.now if name != "undervoltage"]:
        yield "throttled", "", ", ".join(slowed).replace("_", " ")
