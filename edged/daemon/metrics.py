"""An observation as metric families for Prometheus. Pure; ``edged/web/DESIGN.md`` has the list, which a test keeps true.

Names follow https://prometheus.io/docs/practices/naming/: base units, ``_total`` for counters (which the library adds).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from edged import __version__
from edged.core.mcu import McuCondition, McuCounters
from edged.core.problem import HealthStatus
from edged.daemon.cameras import State
from edged.daemon.condition import Condition
from edged.daemon.machine import THROTTLING
from edged.daemon.observation import Observation
from edged.vision.counters import CameraStats
from edged.web.exposition import add_latency

Sample = tuple[Sequence[str], float]
"""Values of the labels, and the number."""

CPU_STAGES = ("capture", "prepare", "decode", "track", "report", "invoke")
AGES = ("decoded", "inferred", "reported")

Family = TypeVar("Family", CounterMetricFamily, GaugeMetricFamily)


def families(observation: Observation, condition: Condition) -> Iterator[Metric]:
    """Every metric, in the order of the list."""
    yield from _health(observation, condition)
    yield from _cameras(observation)
    yield from _mcus(observation)
    yield from _events(observation)
    yield from _mqtt(observation)
    yield from _processes(observation)
    yield from _machine(observation)


def _filled(family: Family, samples: Iterable[Sample]) -> Family:
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _gauge(name: str, text: str, samples: Iterable[Sample], labels: Sequence[str] = ()) -> Metric:
    return _filled(GaugeMetricFamily(f"edged_{name}", text, labels=labels), samples)


def _counter(name: str, text: str, samples: Iterable[Sample], labels: Sequence[str] = ()) -> Metric:
    return _filled(CounterMetricFamily(f"edged_{name}", text, labels=labels), samples)


def _one(value: float | None) -> Iterable[Sample]:
    """A metric without labels; nothing where there is no value."""
    return () if value is None else [((), value)]


def _health(now: Observation, condition: Condition) -> Iterator[Metric]:
    version = (__version__, platform.python_version(), platform.machine())
    yield _gauge("build_info", "What runs; always 1.", [(version, 1)], ("version", "python", "machine"))
    yield _gauge("uptime_seconds", "How long the daemon runs.", _one(now.uptime_s))
    yield _gauge("ready", "1 once a frame of every required camera was inferred.", _one(now.ready))
    statuses = [((status,), status == condition.status) for status in get_args(HealthStatus)]
    yield _gauge("health", "1 for the status that holds.", statuses, ("status",))
    problems = [((it.code, it.severity, it.subject), 1.0) for it in condition.problems]
    yield _gauge("problem", "1 for each problem that is there.", problems, ("code", "severity", "subject"))
    yield _counter("vision_restarts", "Vision processes that died and were replaced.", _one(now.vision_restarts))
    reloads = [(("accepted",), now.reloads_accepted), (("refused",), now.reloads_refused)]
    yield _counter("reloads", "Reloads of the configuration.", reloads, ("outcome",))
    models = [((it.model_name, it.bundle, it.version, it.digest, it.runtime, it.delegate), 1) for it in now.models]
    labels = ("model", "bundle", "version", "digest", "runtime", "delegate")
    yield _gauge("model_info", "The models that serve; always 1.", models, labels)


def _cameras(now: Observation) -> Iterator[Metric]:
    states = [((camera.state.camera, state), state == camera.state.state) for camera in now.cameras for state in get_args(State)]
    yield _gauge("camera_state", "1 for the state that the camera is in.", states, ("camera", "state"))
    counters = [camera.counters for camera in now.cameras if camera.counters]
    looking = {camera.state.camera for camera in now.cameras if camera.state.state in {"online", "lost"}}  # else the newest is old

    def counted(name: str, text: str, value: Callable[[CameraStats], float]) -> Metric:
        return _counter(f"camera_{name}", text, [((it.camera,), value(it)) for it in counters], ("camera",))

    yield counted("frames_captured", "Frames that came.", lambda it: it.captured)
    yield counted("frames_damaged", "Pictures that could not be decoded; not among those that came.", lambda it: it.damaged)
    yield counted("frames_late", "Pictures too old to be worth anything; not among those that came.", lambda it: it.late)
    yield counted("frames_dropped", "Frames that a newer one replaced before inference.", lambda it: it.dropped)
    yield counted("frames_inferred", "Frames that the model looked at.", lambda it: it.inferred)
    yield counted("frames_not_finite", "Frames for which the model put out NaN or infinite numbers.", lambda it: it.not_finite)
    yield counted("detections", "Boxes that the model saw at or above the score from which they count.", lambda it: it.detections)
    silent = [((it.camera,), it.newest_age_ms / 1e3) for it in counters if it.newest_age_ms is not None and it.camera in looking]
    yield _gauge("camera_newest_frame_age_seconds", "How long ago the newest frame was captured.", silent, ("camera",))
    tracks = [((it.camera,), it.tracks) for it in counters if it.camera in looking]
    yield _gauge("camera_tracks", "Objects that are followed.", tracks, ("camera",))
    yield counted("tracks_dropped", "Objects that there was no room to follow.", lambda it: it.tracks_dropped)
    yield counted("live_unsent", "Live reports that did not fit between the processes.", lambda it: it.live_unsent)
    cpu = [((it.camera, stage), getattr(it, f"{stage}_cpu_ms") / 1e3) for it in counters for stage in CPU_STAGES]
    yield _counter("camera_cpu_seconds", "CPU time by stage, of invoke that of its first thread.", cpu, ("camera", "stage"))
    ages = HistogramMetricFamily(
        "edged_camera_frame_age_seconds", "Age of a frame since its capture, as it leaves a stage.", labels=("camera", "stage")
    )
    invoke = HistogramMetricFamily("edged_camera_invoke_seconds", "Duration of an inference.", labels=("camera",))
    for it in counters:
        for stage in AGES:
            add_latency(ages, [it.camera, stage], getattr(it, f"{stage}_age"))
        add_latency(invoke, [it.camera], it.invoke)
    yield ages
    yield invoke


def _mcus(now: Observation) -> Iterator[Metric]:
    states = [it.state for it in now.mcus]
    if not states:
        return
    conditions = [((it.mcu, name), name == it.state) for it in states for name in get_args(McuCondition)]
    yield _gauge("mcu_state", "1 for the state that the microcontroller is in.", conditions, ("mcu", "state"))
    labels = ("mcu", "board", "firmware_version", "firmware", "model_name", "model_version", "model")
    yield _gauge("mcu_info", "What it runs; always 1.", [([getattr(it, name) for name in labels], 1) for it in states], labels)

    def counted(name: str, text: str, value: Callable[[McuCounters], int]) -> Metric:
        return _counter(f"mcu_{name}", text, [((it.mcu,), value(it.counters)) for it in states], ("mcu",))

    yield counted("reports", "Reports that came.", lambda it: it.reports)
    yield counted("results", "Inferences that came.", lambda it: it.results)
    yield counted("results_failed", "Inferences that its engine gave up.", lambda it: it.failed)
    yield counted("results_repeated", "Inferences that came again.", lambda it: it.repeated)
    yield counted("results_unread", "Inferences whose outputs edged does not understand.", lambda it: it.unread)
    yield counted("reports_missed", "Reports that were numbered and never came.", lambda it: it.missed)
    yield counted("reports_dropped", "Reports that came faster than they were taken.", lambda it: it.dropped)
    yield counted("damaged", "Packets and reports with a wrong checksum.", lambda it: it.damaged)
    yield counted("restarts", "Starts that were seen, those that it was told to make included.", lambda it: it.restarts)
    yield counted("losses", "Times that it was lost.", lambda it: it.losses)
    yield counted("commands", "Commands that came for it.", lambda it: it.commands)
    yield counted("commands_refused", "Of these, those that were not done.", lambda it: it.commands_refused)
    here = [it for it in states if it.state == "online"]
    yield _gauge("mcu_uptime_seconds", "Since its start.", [((it.mcu,), it.uptime_ms / 1e3) for it in here], ("mcu",))
    yield _gauge("mcu_arena_used_bytes", "Of its model's memory.", [((it.mcu,), it.arena_used_bytes) for it in here], ("mcu",))
    yield _gauge("mcu_arena_bytes", "What there is of it.", [((it.mcu,), it.arena_size_bytes) for it in here], ("mcu",))
    mean = [((it.mcu,), it.invoke_us_mean / 1e6) for it in here]
    yield _gauge("mcu_invoke_seconds", "An inference, in the mean since its start.", mean, ("mcu",))


def _events(now: Observation) -> Iterator[Metric]:
    yield _counter("events", "Events that were stored.", [((kind,), count) for kind, count in now.events.items()], ("kind",))
    yield _gauge("events_waiting", "Events that wait for their commit.", _one(now.events_waiting))
    yield _counter("events_lost", "Events that a full disk took.", _one(now.events_lost))
    outbox = now.outbox
    yield _counter("outbox_produced", "Events meant for the broker, since the store was made.", _one(outbox.produced))
    yield _counter("outbox_delivered", "Of these, what the broker acknowledged.", _one(outbox.delivered))
    yield _counter("outbox_dropped", "Of these, what the bounds of the store dropped before.", _one(outbox.dropped))
    yield _gauge("outbox_queued", "Of these, what waits.", _one(outbox.queued))
    age_s = 0.0 if not outbox.queued else now.outbox_age_s
    yield _gauge("outbox_oldest_age_seconds", "Age of the oldest that waits; absent if no clock can tell.", _one(age_s))


def _mqtt(now: Observation) -> Iterator[Metric]:
    broker = now.broker
    if broker is None:
        return
    yield _gauge("mqtt_connected", "1 while a broker has us.", _one(broker.connected))
    yield _counter("mqtt_connections", "Connections that a broker accepted.", _one(broker.connections))
    yield _counter("mqtt_events_published", "Events sent, repeats included.", _one(broker.published))
    yield _counter("mqtt_events_acknowledged", "Events that the broker took.", _one(broker.acknowledged))
    yield _counter("mqtt_events_refused", "Events that the broker answered with an error.", _one(broker.refused))
    yield _counter("mqtt_live_published", "Live reports sent.", _one(broker.live_published))
    yield _counter("mqtt_live_dropped", "Live reports for which there was no connection or no room.", _one(broker.live_dropped))
    yield _gauge("mqtt_retained_waiting", "States that the broker does not have yet.", _one(now.retained_waiting))


def _processes(now: Observation) -> Iterator[Metric]:
    uses, label = now.processes.items(), ("process",)
    cpu = [((name,), use.cpu_s) for name, use in uses]
    yield _counter("process_cpu_seconds", "CPU time of the process, of those before it too.", cpu, label)
    rss = [((name,), use.rss_bytes) for name, use in uses]
    yield _gauge("process_resident_memory_bytes", "Memory in use.", rss, label)
    yield _gauge("process_threads", "Threads.", [((name,), use.threads) for name, use in uses], label)
    yield _gauge("process_open_fds", "Open files and sockets.", [((name,), use.fds) for name, use in uses], label)


def _machine(now: Observation) -> Iterator[Metric]:
    yield _gauge("clock_synchronised", "1 while something disciplines the wall clock.", _one(now.clock.quality == "synchronised"))
    machine = now.machine
    temperatures = [((sensor,), celsius) for sensor, celsius in machine.temperatures.items()]
    yield _gauge("temperature_celsius", "Temperatures by sensor.", temperatures, ("sensor",))
    if machine.throttling:
        throttling = machine.throttling
        yield _gauge("throttled", "1 while it holds.", [((it,), it in throttling.now) for it in THROTTLING], ("reason",))
        before = [((it,), it in throttling.since_boot) for it in THROTTLING]
        yield _gauge("throttled_since_boot", "1 if it ever held since boot.", before, ("reason",))
    yield _gauge("disk_free_bytes", "Space left for the store.", _one(machine.disk_free_bytes))
