"""What the daemon knows of itself at one moment, gathered from its parts: the one source of health and metrics."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from edged.core.clock import ClockReading
from edged.daemon.cameras import Cameras, CameraState
from edged.daemon.clock import read_clock
from edged.daemon.health import Health
from edged.daemon.machine import Machine, ProcessName, ProcessUse, read_machine, read_process
from edged.daemon.mcus import McuObservation, Mcus
from edged.daemon.publishing import Publishing
from edged.daemon.recorder import Recorder
from edged.daemon.reload import Reloader
from edged.daemon.supervisor import Supervisor
from edged.daemon.tally import Tally
from edged.mqtt.stats import PublisherStats
from edged.store.outbox import OutboxCounts
from edged.store.store import Store
from edged.vision import ipc
from edged.vision.counters import CameraStats

FRESH_S = 1.0
"""Who asks again so soon is told the same: a client that asks without end costs no more than one that asks every second."""

CAMERA_GAUGES = ("camera", "since_ns", "tracks", "age_ms", "newest_age_ms")
BROKER_GAUGES = ("connected", "since_ns", "version")
PROCESS_GAUGES = ("rss_bytes", "threads", "fds", "started")


@dataclass(frozen=True, slots=True)
class CameraObservation:
    """A camera, and its counters since the daemon started; ``None`` before the first heartbeat that names it."""

    state: CameraState
    counters: CameraStats | None


@dataclass(frozen=True, slots=True)
class Observation:
    """Counters are sums since the daemon started, those of ``outbox`` since the store was made. Times are CLOCK_MONOTONIC."""

    clock: ClockReading
    started_ns: int
    ready: bool
    vision_failing: bool
    """The vision process died, and no heartbeat of another was heard yet."""
    vision_restarts: int
    stuck: bool
    cameras: tuple[CameraObservation, ...]
    models: tuple[ipc.ModelServes, ...]
    events: dict[str, int]
    """Committed, by kind."""
    events_waiting: int
    events_lost: int
    store_full: bool
    outbox: OutboxCounts
    outbox_age_s: float | None
    """Of the oldest event that waits for the broker; ``None`` if none waits, or where clocks do not allow to tell."""
    broker: PublisherStats | None
    retained_waiting: int
    reloads_accepted: int
    reloads_refused: int
    reload_refusal: str
    """Why the last reload was refused, empty if it was not."""
    processes: dict[ProcessName, ProcessUse]
    """Every process that was there since the start; one that is not there now uses nothing, and keeps its sums."""
    machine: Machine
    mcus: tuple[McuObservation, ...] = ()

    @property
    def uptime_s(self) -> float:
        """How long the daemon runs."""
        return (self.clock.monotonic_ns - self.started_ns) / 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Whom the observer asks."""

    store: Store
    recorder: Recorder
    cameras: Cameras
    mcus: Mcus
    publishing: Publishing
    supervisor: Supervisor
    health: Health
    reloader: Reloader | None
    state_directory: Path


class ProcessTally:
    """What the processes used since the start, those that were replaced included. Pure."""

    def __init__(self) -> None:
        self._tallies = {name: Tally[ProcessUse](PROCESS_GAUGES) for name in get_args(ProcessName)}

    def note(self, uses: Mapping[ProcessName, ProcessUse]) -> dict[ProcessName, ProcessUse]:
        """Take in what the processes that are there use; returns the sums, as ``Observation.processes`` has them."""
        return {name: use for name, tally in self._tallies.items() if (use := _noted(tally, uses.get(name)))}


def _noted(tally: Tally[ProcessUse], use: ProcessUse | None) -> ProcessUse | None:
    if use is None:
        return tally.total and replace(tally.total, rss_bytes=0, threads=0, fds=0)
    return tally.note(use, use.started)


class Observer:
    """Keeps the sums; ``observe`` gathers. Belongs to the event loop."""

    def __init__(self, parts: Parts, root: Path = Path("/")) -> None:
        self._parts = parts
        self._root = root
        self._started_ns = time.monotonic_ns()
        self._cameras: dict[str, Tally[CameraStats]] = {}
        self._broker = Tally[PublisherStats](BROKER_GAUGES)
        self._processes = ProcessTally()
        self._turn = asyncio.Lock()
        self._newest: Observation | None = None

    def note(self, stats: ipc.Stats) -> None:
        """Take in a heartbeat."""
        for camera in stats.cameras:
            self._cameras.setdefault(camera.camera, Tally(CAMERA_GAUGES)).note(camera, camera.since_ns)

    def keep(self, cameras: Collection[str]) -> None:
        """Forget all other cameras."""
        self._cameras = {name: tally for name, tally in self._cameras.items() if name in cameras}

    def stale(self) -> None:
        """Something happened: the next observation is a new one."""
        self._newest = None

    async def observe(self) -> Observation:
        """Gather; raises StoreFailed. Waits for the store's thread."""
        async with self._turn:
            newest = self._newest
            if newest is None or time.monotonic_ns() - newest.clock.monotonic_ns > FRESH_S * 1e9:
                newest = self._newest = await self._gather()
            return newest

    async def _gather(self) -> Observation:
        parts, reloader, publisher = self._parts, self._parts.reloader, self._parts.publishing.publisher
        counts = await parts.store.counts()
        oldest = await parts.store.oldest_queued() if counts.queued else None
        machine, uses = await asyncio.to_thread(self._read, parts.supervisor.vision_pid)
        clock = read_clock()
        return Observation(
            clock=clock,
            started_ns=self._started_ns,
            ready=parts.health.ready,
            vision_failing=parts.supervisor.failing,
            vision_restarts=parts.supervisor.restarts,
            stuck=parts.health.stuck(time.monotonic()),
            cameras=tuple(CameraObservation(state, self._counters(state.camera)) for state in parts.cameras),
            models=parts.publishing.models,
            events=dict(parts.recorder.committed),
            events_waiting=parts.recorder.waiting,
            events_lost=parts.recorder.lost,
            store_full=parts.recorder.full,
            outbox=counts,
            outbox_age_s=oldest.age_s(clock) if oldest else None,
            broker=self._broker.note(publisher.stats, publisher) if publisher else None,
            retained_waiting=publisher.retained_waiting if publisher else 0,
            reloads_accepted=reloader.accepted if reloader else 0,
            reloads_refused=reloader.refused if reloader else 0,
            reload_refusal=reloader.last_refusal if reloader else "",
            processes=self._processes.note(uses),
            machine=machine,
            mcus=parts.mcus.observe(clock.monotonic_ns),
        )

    def _counters(self, camera: str) -> CameraStats | None:
        tally = self._cameras.get(camera)
        return tally.total if tally else None

    def _read(self, vision_pid: int | None) -> tuple[Machine, dict[ProcessName, ProcessUse]]:
        """In a thread: a sensor or a disk may take its time."""
        pids: dict[ProcessName, int | None] = {"main": os.getpid(), "vision": vision_pid}
        uses = {name: use for name, pid in pids.items() if pid and (use := read_process(pid))}
        return read_machine(self._parts.state_directory, self._root), uses
