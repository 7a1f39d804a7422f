"""How the device is, as it is said over MQTT and at ``/healthz``. Field names are the names on the wire, as in ``payload.py``.

Counters are sums since the daemon started, except those of the outbox, which are since the store was made.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from edged.core.event import ClockQuality
from edged.core.mcu import McuCondition, McuCounters
from edged.core.problem import PROBLEMS, HealthStatus, Severity
from edged.mqtt.facts import CameraCondition
from edged.mqtt.wire import Celsius, Hertz, Megabytes, Milliseconds, Percent, Seconds, Time, WholeMegabytes, WholeSeconds


class ProblemPayload(Struct, kw_only=True):
    """What is wrong: with which camera, model or microcontroller (``subject``), what it means, what is known, what to do about it.

    Codes are added as edged learns to notice more: who does not know one goes by its ``severity``.
    """

    code: Annotated[str, Meta(examples=list(PROBLEMS))]
    severity: Severity
    subject: str
    meaning: str
    detail: str
    fix: str
    since: Time


class AgesPayload(Struct, kw_only=True):
    """How old frames were, in ms from their capture, of all since the report before; ``null`` if there was none."""

    p50: Milliseconds | None
    p95: Milliseconds | None
    p99: Milliseconds | None


class CameraHealthPayload(Struct, kw_only=True):
    """Frames of a camera: ``captured`` is ``inferred`` and ``dropped`` (a newer one came before inference) and what is under way.

    ``damaged`` pictures could not be decoded, ``late`` ones were too old when they came: neither is among ``captured``.
    ``inferred_hz`` is the rate since the report before. ``live_unsent`` are live reports that did not fit between processes.
    """

    camera: str
    state: CameraCondition
    captured: int
    dropped: int
    inferred: int
    damaged: int
    late: int
    inferred_hz: Hertz
    live_unsent: int
    decoded_ms: AgesPayload
    inferred_ms: AgesPayload
    reported_ms: AgesPayload


class McuHealthPayload(Struct, kw_only=True):
    """A microcontroller: whether it is heard, and what came from it."""

    mcu: str
    state: McuCondition
    counters: McuCounters


class EventsPayload(Struct, kw_only=True):
    """Events: stored, waiting for their commit, lost to a full disk."""

    committed: int
    waiting: int
    lost: int


class OutboxPayload(Struct, kw_only=True):
    """Events on their way to the broker: ``produced`` = ``delivered`` + ``dropped`` + ``queued``.

    ``oldest_s`` is the age of the oldest that is queued, ``null`` if there is none, or no clock that could tell.
    """

    produced: int
    delivered: int
    dropped: int
    queued: int
    oldest_s: Seconds | None
    live_dropped: int


class ProcessPayload(Struct, kw_only=True):
    """What a process of edged uses, nothing while it is away; ``cpu_percent`` of one CPU since the report before, 0 at first."""

    process: Annotated[str, Meta(examples=["main", "vision"])]
    rss_mb: Megabytes
    cpu_percent: Percent
    threads: int
    fds: int


class MachinePayload(Struct, kw_only=True):
    """The machine: degrees Celsius by sensor, reasons for which it is throttled now (``null`` if it does not tell), free disk."""

    temperatures_c: dict[str, Celsius]
    throttled: tuple[str, ...] | None
    disk_free_mb: WholeMegabytes | None


class HealthPayload(Struct, kw_only=True):
    """How the device is at ``time``, since when, and why if it is not "ok"."""

    status: HealthStatus
    since: Time
    problems: tuple[ProblemPayload, ...]
    time: Time
    clock: ClockQuality
    edged: str
    uptime_s: WholeSeconds
    vision_restarts: int
    cameras: tuple[CameraHealthPayload, ...]
    mcus: tuple[McuHealthPayload, ...]
    events: EventsPayload
    outbox: OutboxPayload
    processes: tuple[ProcessPayload, ...]
    machine: MachinePayload
    v: Literal[1] = 1
