"""An observation in the words of the health topic. Pure."""

from __future__ import annotations

from edged import __version__
from edged.core.clock import ClockReading
from edged.core.latency import NO_LATENCY, Latency
from edged.core.problem import PROBLEMS, Problem
from edged.daemon.condition import Condition
from edged.daemon.machine import Machine
from edged.daemon.observation import CameraObservation, Observation
from edged.mqtt.health import (
    AgesPayload,
    CameraHealthPayload,
    EventsPayload,
    HealthPayload,
    MachinePayload,
    McuHealthPayload,
    OutboxPayload,
    ProblemPayload,
    ProcessPayload,
)
from edged.mqtt.wire import rfc3339
from edged.vision.counters import CameraStats

MB = 1_000_000


def report(now: Observation, before: Observation | None, condition: Condition) -> HealthPayload:
    """What is said ``now``; rates and ages are of the span since the observation ``before``, or since the start."""
    span_s = max(1e-3, (now.clock.monotonic_ns - (before.clock.monotonic_ns if before else now.started_ns)) / 1e9)
    earlier = {camera.state.camera: camera.counters for camera in before.cameras} if before else {}
    return HealthPayload(
        status=condition.status,
        since=rfc3339(now.clock.unix_ms_at(condition.since_ns)),
        problems=tuple(_problem(problem, now.clock) for problem in condition.problems),
        time=rfc3339(now.clock.unix_ns // 1_000_000),
        clock=now.clock.quality,
        edged=__version__,
        uptime_s=int(now.uptime_s),
        vision_restarts=now.vision_restarts,
        cameras=tuple(_camera(camera, earlier.get(camera.state.camera), span_s) for camera in now.cameras),
        mcus=tuple(McuHealthPayload(mcu=it.state.mcu, state=it.state.state, counters=it.state.counters) for it in now.mcus),
        events=EventsPayload(committed=sum(now.events.values()), waiting=now.events_waiting, lost=now.events_lost),
        outbox=OutboxPayload(
            produced=now.outbox.produced,
            delivered=now.outbox.delivered,
            dropped=now.outbox.dropped,
            queued=now.outbox.queued,
            oldest_s=None if now.outbox_age_s is None else round(now.outbox_age_s, 1),
            live_dropped=now.broker.live_dropped if now.broker else 0,
        ),
        processes=_processes(now, before, span_s),
        machine=_machine(now.machine),
    )


def _problem(problem: Problem, clock: ClockReading) -> ProblemPayload:
    explanation = PROBLEMS[problem.code]
    return ProblemPayload(
        code=problem.code,
        severity=explanation.severity,
        subject=problem.subject,
        meaning=explanation.meaning,
        detail=problem.detail,
        fix=explanation.fix,
        since=rfc3339(clock.unix_ms_at(problem.since_ns)),
    )


def _camera(camera: CameraObservation, before: CameraStats | None, span_s: float) -> CameraHealthPayload:
    now = camera.counters
    return CameraHealthPayload(
        camera=camera.state.camera,
        state=camera.state.state,
        captured=now.captured if now else 0,
        dropped=now.dropped if now else 0,
        inferred=now.inferred if now else 0,
        damaged=now.damaged if now else 0,
        late=now.late if now else 0,
        inferred_hz=round(max(0, now.inferred - (before.inferred if before else 0)) / span_s, 2) if now else 0.0,
        live_unsent=now.live_unsent if now else 0,
        decoded_ms=_ages(now.decoded_age if now else NO_LATENCY, before.decoded_age if before else NO_LATENCY),
        inferred_ms=_ages(now.inferred_age if now else NO_LATENCY, before.inferred_age if before else NO_LATENCY),
        reported_ms=_ages(now.reported_age if now else NO_LATENCY, before.reported_age if before else NO_LATENCY),
    )


def _ages(now: Latency, before: Latency) -> AgesPayload:
    span = now.since(before)
    p50, p95, p99 = (None if ms is None else round(ms, 1) for ms in map(span.quantile_ms, (0.5, 0.95, 0.99)))
    return AgesPayload(p50=p50, p95=p95, p99=p99)


def _processes(now: Observation, before: Observation | None, span_s: float) -> tuple[ProcessPayload, ...]:
    # The first report comes at once: until then the processes did little but start, before the span began.
    earlier = before.processes if before else now.processes
    return tuple(
        ProcessPayload(
            process=name,
            rss_mb=round(use.rss_bytes / MB, 1),
            cpu_percent=round(100 * (use.cpu_s - (earlier[name].cpu_s if name in earlier else 0)) / span_s, 1),
            threads=use.threads,
            fds=use.fds,
        )
        for name, use in now.processes.items()
    )


def _machine(machine: Machine) -> MachinePayload:
    free_bytes = machine.disk_free_bytes
    return MachinePayload(
        temperatures_c={sensor: round(celsius, 1) for sensor, celsius in machine.temperatures.items()},
        throttled=machine.throttling.now if machine.throttling else None,
        disk_free_mb=None if free_bytes is None else free_bytes // MB,
    )
