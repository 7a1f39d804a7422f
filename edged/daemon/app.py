"""The composition root: the one place that sees the whole configuration and ties the parts together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from edged.config.schema import Settings
from edged.core.errors import DelegateFailed, EdgedError, ModelRejected, OutputUnwritable, VisionFailed
from edged.core.event import Event, ModelChanged, ObjectAppeared, ObjectLeft, SourceBack, SourceLost
from edged.daemon.admission import Admission
from edged.daemon.cameras import Cameras
from edged.daemon.clock import read_clock
from edged.daemon.health import Health
from edged.daemon.recorder import Recorder, Sink
from edged.daemon.sinks import JsonlSink
from edged.daemon.supervisor import Supervisor
from edged.daemon.systemd import Notifier
from edged.mqtt.publisher import Publisher
from edged.store.store import Store
from edged.vision import ipc
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)

LEAVE_DEADLINE_S = 15.0
"""From the word to stop until the vision process is gone and everything it said is on the disk; it has 5 s of these itself."""

DRAIN_DEADLINE_S = 5.0
"""How long the broker may then take for the last events; what it did not take waits in the outbox."""

STATUS_INTERVAL_S = 5.0


class View(Protocol):
    """Something that shows what happens: a log, a live table."""

    def on_report(self, report: ipc.Report) -> None:
        """The vision process said something."""

    def on_event(self, event: Event) -> None:
        """An event was committed."""


class Daemon:
    """The running whole. Listens to the vision process and passes on what it hears."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        publisher: Publisher | None,
        sinks: Sequence[Sink],
        views: Sequence[View],
        *,
        admission: Admission,
        root: Path,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._views = views
        self._health = Health(name for name, camera in settings.cameras.items() if camera.required)
        self._cameras = Cameras(settings.cameras, time.monotonic_ns())
        self._recorder = Recorder(store, [*sinks, *views])
        self._serving: dict[str, tuple[str, str]] = {}  # digest and delegate
        self._notifier = Notifier()
        self._ready = self._stopping = False
        self._deadline = asyncio.timeout(None)  # runs once the daemon is to leave
        vision = VisionSettings(
            cameras=settings.cameras, models=settings.models, tracking=settings.tracking, identities={}, run="", root=root
        )
        self._supervisor = Supervisor(vision, admission, self._health, self)

    def stop(self) -> None:
        """Leave in good order, within a deadline; ``run`` returns when everything is safe."""
        if not self._stopping:
            self._stopping = True
            log.info("stopping")
            self._notifier.stopping()
            self._supervisor.stop()
            self._hurry()

    async def run(self) -> None:
        """Serve until stopped or every recording has ended; raises the EdgedError that ended it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [tasks.create_task(self._recorder.run()), tasks.create_task(self._keep_status())]
                if self._publisher:
                    helpers.append(tasks.create_task(self._publisher.run()))
                fault = await self._serve()
                if self._publisher and self._publisher.connected:
                    await self._drain(self._publisher)
                for helper in helpers:
                    helper.cancel()
                if fault:
                    raise fault
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            self._notifier.close()

    async def _serve(self) -> EdgedError | None:
        """Keep the vision process running, and see what it said into the store; returns the fault that ended it, if one did."""
        fault = None
        try:
            async with self._deadline:
                self._serving = await self._store.serving()
                await self._recorder.close_interrupted(time.monotonic_ns())
                self._publish_cameras()
                try:
                    await self._supervisor.run()
                except (VisionFailed, ModelRejected, DelegateFailed) as error:
                    fault = error
                    self._hurry()
                    await self._recorder.close_interrupted(time.monotonic_ns())
                self._hurry()
                await self._recorder.drain()
        except TimeoutError:
            log.error("the store takes nothing: leaving with %d events uncommitted", self._recorder.waiting)
        return fault

    def _hurry(self) -> None:
        """Let the deadline for leaving run, if it does not yet."""
        if self._deadline.when() is None:
            with contextlib.suppress(RuntimeError):  # not begun yet, or over already
                self._deadline.reschedule(asyncio.get_running_loop().time() + LEAVE_DEADLINE_S)

    async def on_report(self, report: ipc.Report) -> None:
        """Record what happened, publish what is, show both."""
        for view in self._views:
            view.on_report(report)
        match report:
            case ObjectAppeared() | ObjectLeft():
                await self._recorder.put(report)
            case ipc.Live():
                if self._publisher:
                    self._publisher.live(report)
            case ipc.Stats():
                self._note_ready()
            case ipc.ModelServes():
                await self._on_model(report)
            case ipc.CameraUp() | ipc.CameraDown() | ipc.CameraEnded():
                await self._on_camera(report)

    async def on_vision_lost(self) -> None:
        """End the objects that the dead process left open."""
        self._cameras.vision_lost(time.monotonic_ns())
        self._publish_cameras()
        await self._recorder.close_interrupted(time.monotonic_ns())

    async def _on_model(self, report: ipc.ModelServes) -> None:
        log.info(
            "model %s: %s %s on %s, %d delegate nodes, %d threads, self-test %.0f ms%s",
            *(
                report.model_name,
                report.bundle,
                report.version,
                report.delegate,
                report.delegate_nodes,
                report.threads,
                report.self_test_ms,
                f"; not on an accelerator: {report.fallback}" if report.fallback else "",
            ),
        )
        before = self._serving.get(report.model_name, ("", ""))
        serves = self._serving[report.model_name] = (report.digest, report.delegate)
        if before != serves:
            await self._recorder.put(
                ModelChanged(
                    report.model_name, report.version, report.digest, before[0], report.delegate, report.at_ns, report.fallback
                )
            )
        if self._publisher:
            self._publisher.model_state(report)

    async def _on_camera(self, report: ipc.CameraUp | ipc.CameraDown | ipc.CameraEnded) -> None:
        happened: SourceBack | SourceLost | None = None
        match report:
            case ipc.CameraUp():
                log.info(
                    "camera %s: %s, %d x %d, %s fps", report.camera, report.description, report.width, report.height, report.fps
                )
                happened = self._cameras.up(report)
            case ipc.CameraDown():
                happened = self._cameras.down(report)
                hint = f" ({report.hint})" if report.hint else ""
                level = logging.WARNING if happened else logging.DEBUG
                log.log(level, "camera %s: lost: %s%s", report.camera, report.reason, hint)
            case ipc.CameraEnded():
                log.info("camera %s: the recording has ended", report.camera)
                self._cameras.ended(report)
        if happened:
            await self._recorder.put(happened)
        if self._publisher:
            self._publisher.camera_state(self._cameras[report.camera])

    def _publish_cameras(self) -> None:
        if self._publisher:
            for state in self._cameras:
                self._publisher.camera_state(state)

    def _note_ready(self) -> None:
        if not self._ready and not self._stopping and self._health.ready:
            self._ready = True
            log.info("ready")
            self._notifier.ready("serving")

    async def _keep_status(self) -> None:
        """The watchdog's and the status line's own pace. That this task runs shows the event loop alive; the rest is asked."""
        interval_s = min(STATUS_INTERVAL_S, (self._notifier.watchdog_s or 2 * STATUS_INTERVAL_S) / 2)
        while True:
            counts = await self._store.counts()  # waits for the store's thread: a wedged disk keeps the watchdog unfed
            if not self._health.stuck(time.monotonic()):
                self._notifier.watchdog()
            broker = (
                f", broker {'connected' if self._publisher.connected else 'away'}, {counts.queued} queued"
                if self._publisher
                else ""
            )
            lost = f", {self._recorder.lost} events lost to a full disk" if self._recorder.lost else ""
            self._notifier.status(f"{counts.produced} events{broker}, {self._supervisor.restarts} vision restarts{lost}")
            await asyncio.sleep(interval_s)

    async def _drain(self, publisher: Publisher) -> None:
        try:
            async with asyncio.timeout(DRAIN_DEADLINE_S):
                await publisher.drained()
        except TimeoutError:
            log.warning("leaving with events that the broker did not take yet; they wait in the store")


async def serve(settings: Settings, views: Sequence[View] = (), root: Path = Path("/")) -> None:
    """Run the daemon until SIGTERM, SIGINT or the end of every recording; raises EdgedError if it cannot.

    ``root`` is where /sys and /dev are, which show the accelerators.
    """
    async with AsyncExitStack() as stack:
        sinks = [stack.enter_context(JsonlSink(settings.sinks.jsonl))] if settings.sinks.jsonl else []
        directory = _make_directory(settings.device.state_directory)
        store = await stack.enter_async_context(
            Store.open(directory / "events.db", settings.device.name, settings.store, read_clock, publish=settings.mqtt is not None)
        )
        publisher = (
            Publisher(settings.mqtt, settings.device.fleet, settings.device.name, store, read_clock) if settings.mqtt else None
        )
        daemon = Daemon(settings, store, publisher, sinks, views, admission=Admission(directory), root=root)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stop)
        await daemon.run()


def _make_directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"{path}: cannot be made: {error.strerror}", hint="[device] state_directory names another"
        ) from error
    return path


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The reason for the end: our own error if there is one, else whatever came first."""
    leaves = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((error for error in leaves if isinstance(error, EdgedError)), leaves[0])
