"""The composition root: the one place that sees the whole configuration and ties the parts together."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

from edged.config.schema import Settings
from edged.core.errors import DelegateFailed, EdgedError, ModelRejected, VisionFailed
from edged.core.event import ObjectAppeared, ObjectLeft, SourceBack, SourceLost
from edged.core.garbage import freeze_what_stays
from edged.daemon.admission import Admission
from edged.daemon.bench import End
from edged.daemon.cameras import Cameras
from edged.daemon.clock import read_clock
from edged.daemon.control import Control, Done, Install, Look, Refused, Reload, Reply, Request, Seen
from edged.daemon.health import Health
from edged.daemon.layers import Layers
from edged.daemon.mcus import Mcus
from edged.daemon.models import Models, describe
from edged.daemon.observation import Observer, Parts
from edged.daemon.outputs import MakeViews, Outputs
from edged.daemon.publishing import Publishing
from edged.daemon.recorder import Recorder
from edged.daemon.reload import Reloader
from edged.daemon.state import claimed
from edged.daemon.status import Status
from edged.daemon.supervisor import Supervisor
from edged.daemon.systemd import Notifier
from edged.daemon.taking_on import TakingOn
from edged.daemon.updates import Parts as UpdateParts
from edged.daemon.updates import Updates
from edged.daemon.vitals import Vitals
from edged.mqtt.publisher import Publisher
from edged.store.store import Store
from edged.vision import ipc
from edged.vision.settings import VisionSettings
from edged.web.server import Server
from edged.web.settings import parse_listen

log = logging.getLogger(__name__)

LEAVE_DEADLINE_S = 15.0
"""From the word to stop until the vision process is gone and everything it said is on the disk; it has 5 s of these itself."""

DRAIN_DEADLINE_S = 5.0
"""How long the broker may then take for the last events; what it did not take waits in the outbox."""

BLOCKING_AT_ONCE = 3
"""Threads for what blocks: sensors, secrets, hashes, the configuration. asyncio's own pool grows to four more than there are
cores, and each thread keeps a heap of its own; fewer than these, and one that hangs in a dead disk would hold up the others."""


class Daemon:
    """The running whole. Listens to the vision process and passes on what it hears. A reload reads ``config``."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        make_views: MakeViews,
        config: Path | None,
        *,
        admission: Admission,
        root: Path,
    ) -> None:
        self._store = store
        outputs = Outputs.make(settings, store, make_views)
        self.taking = TakingOn(
            *(outputs, store, make_views, admission),
            supervisor=lambda: self._supervisor,
            for_vision=self._for_vision,
            on_taken=self._on_taken,
        )
        self._publishing = Publishing(outputs.publisher)
        self._recorder = Recorder(store, outputs.sinks)
        self._models = Models({})
        self._notifier = Notifier()
        layers = Layers(config, self.taking.reconfigure, self.taking.reconfigure_surely) if config else None
        self.reloader = Reloader(config, layers.reload, self._notifier) if config and layers else None
        self._ready = self._stopping = False
        self._deadline = asyncio.timeout(None)  # runs once the daemon is to leave
        self._root = root
        self.mcus = Mcus(settings.mcus, self._recorder.put, self._publishing, self._note_mcus)
        self.updates = Updates(
            settings,
            UpdateParts(admission, self.taking, self.delivering, self._publishing, self._recorder, layers, self.mcus),
        )
        settings = self.updates.settings  # with what was pushed
        self.taking.outputs = dataclasses.replace(outputs, settings=settings)
        self._health = Health(_required(settings))
        self._cameras = Cameras(settings.cameras, time.monotonic_ns())
        self._supervisor = Supervisor(self._for_vision(settings), admission, self._health, self)
        directory = settings.device.state_directory
        parts = Parts(
            *(store, self._recorder, self._cameras, self.mcus, self._publishing, self._supervisor, self._health),
            *(self.reloader, directory),
        )
        self._observer = Observer(parts, root)
        self._status = Status(parts, self._notifier)
        self.vitals = Vitals(self._observer, self._publishing)

    async def answer(self, request: Request) -> Reply:
        """What another edged command is told."""
        if isinstance(request, Reload):
            assert self.reloader, "without it nobody is listened to"
            return await self.reloader.answer(request)
        if isinstance(request, Look):
            return Seen(await self.vitals.health())
        try:
            if isinstance(request, Install):
                await self.updates.install(request.id, request.sha256, request.version)
            else:
                await self.updates.go_back(request.id)
        except EdgedError as error:
            return Refused(error.message, (), error.hint)
        return Done()

    def stop(self) -> None:
        """Leave in good order, within a deadline; ``run`` returns when everything is safe."""
        if not self._stopping:
            self._stopping = True
            log.info("stopping")
            self._notifier.stopping()
            self._supervisor.stop()
            self.taking.wake()
            self._hurry()

    async def run(self) -> None:
        """Serve until stopped or every recording has ended; raises the EdgedError that ended it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                works = [self._recorder.run(), self._status.run(), self._publishing.run(), self.vitals.run()]
                works += [self.updates.run(), self.mcus.run(), *([self.reloader.run()] if self.reloader else [])]
                beside = [tasks.create_task(work) for work in works]
                fault = await self._serve()
                if (publisher := self._publishing.publisher) and publisher.connected:
                    await self._drain(publisher)
                for task in beside:
                    task.cancel()
                if fault:
                    raise fault
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            self._notifier.close()
            self.taking.outputs.close()

    def delivering(self) -> frozenset[str]:
        """The cameras that deliver frames, or did until their recording ended."""
        return frozenset(it.camera for it in self._cameras if it.state in {"online", "ended"})

    def _for_vision(self, settings: Settings) -> VisionSettings:
        cameras, models, tracking = settings.cameras, self.updates.bench.applied(settings.models), settings.tracking
        return VisionSettings(cameras=cameras, models=models, tracking=tracking, identities={}, run="", root=self._root)

    def _on_taken(self, old: Outputs, report: ipc.Reconfigured) -> None:
        """The vision process serves the settings that were ordered: so does everything else, from the next report on."""
        outputs = self.taking.outputs
        settings = outputs.settings
        if old is not outputs:  # else a model was exchanged, and nothing besides
            self._recorder.redirect(outputs.sinks)
            self.updates.replace(settings)
            self.mcus.replace(settings.mcus)
        self._health.require(_required(settings))
        self._cameras.reconfigure(settings.cameras, report.opened, time.monotonic_ns())
        self._observer.keep(settings.cameras)
        self._publishing.replace(outputs.publisher)
        self._publishing.keep(settings.cameras, {camera.model for camera in settings.cameras.values()})
        self._publish_cameras()

    async def _serve(self) -> EdgedError | None:
        """Keep the vision process running, and see what it said into the store; returns the fault that ended it, if one did."""
        fault = None
        try:
            async with self._deadline:
                self._models = Models(await self._store.serving())
                await self._recorder.close_interrupted(time.monotonic_ns())
                self._publish_cameras()
                try:
                    await self._supervise()
                except (VisionFailed, ModelRejected, DelegateFailed) as error:
                    fault = error
                    self._hurry()
                    await self._recorder.close_interrupted(time.monotonic_ns())
                self._hurry()
                await self._recorder.drain()
        except TimeoutError:
            log.error("the store takes nothing: leaving with %d events uncommitted", self._recorder.waiting)
        return fault

    async def _supervise(self) -> None:
        """Run vision processes; one that ends for good because of an update is followed by another without it."""
        while True:
            try:
                await self._supervisor.run()
            except (VisionFailed, ModelRejected, DelegateFailed) as error:
                if self._stopping or not await self.updates.fall_back(error):
                    raise
                await self.on_vision_lost("in order")
            else:
                if not await self._rest():
                    return

    async def _rest(self) -> bool:
        """Without a camera, or after the last recording, microcontrollers go on; whether there is a camera again."""
        if self._stopping or not self.taking.outputs.settings.mcus:
            return False
        self._note_ready()
        return await self.taking.rest() and not self._stopping

    def _hurry(self) -> None:
        """Let the deadline for leaving run, if it does not yet."""
        if self._deadline.when() is None:
            with contextlib.suppress(RuntimeError):  # not begun yet, or over already
                self._deadline.reschedule(asyncio.get_running_loop().time() + LEAVE_DEADLINE_S)

    async def on_report(self, report: ipc.Report) -> None:
        """Record what happened, publish what is, show both."""
        for view in self.taking.outputs.views:
            view.on_report(report)
        match report:
            case ObjectAppeared() | ObjectLeft():
                await self._recorder.put(report)
            case ipc.Live():
                self._publishing.live(report)
            case ipc.Reconfigured():
                self.taking.taken(report)
            case ipc.Stats():
                self._observer.note(report)
                self.updates.note(report, self._supervisor.vision_pid)
                self._note_ready()
            case ipc.Agreement():
                self.updates.bench.note_agreement(report)
            case ipc.ModelServes():
                await self._on_model(report)
            case ipc.CameraUp() | ipc.CameraDown() | ipc.CameraEnded():
                await self._on_camera(report)

    async def on_vision_lost(self, how: End) -> None:
        """End the objects that the dead process left open."""
        self.updates.vision_ended(how)
        self._cameras.vision_lost(time.monotonic_ns())
        self._publish_cameras()
        await self._recorder.close_interrupted(time.monotonic_ns())
        self.vitals.happened()

    async def _on_model(self, report: ipc.ModelServes) -> None:
        log.info("model %s: %s", report.model_name, describe(report))
        if happened := self._models.serves(report):
            await self._recorder.put(happened)
        self._publishing.model(report)
        self.vitals.happened()

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
        self._publishing.camera(self._cameras[report.camera])
        self.vitals.happened()
        if happened:
            await self._recorder.put(happened)  # may wait, and the camera be gone after it

    def _publish_cameras(self) -> None:
        for state in self._cameras:
            self._publishing.camera(state)
        self.vitals.happened()

    def _note_mcus(self) -> None:
        self.vitals.happened()
        self._note_ready()

    def _note_ready(self) -> None:
        if not self._ready and not self._stopping and self._health.ready and self.mcus.ready:
            self._ready = True
            log.info("ready")
            self._notifier.ready("serving")

    async def _drain(self, publisher: Publisher) -> None:
        try:
            async with asyncio.timeout(DRAIN_DEADLINE_S):
                await publisher.drained()
        except TimeoutError:
            log.warning("leaving with events that the broker did not take yet; they wait in the store")


async def serve(
    settings: Settings, make_views: MakeViews = lambda _: (), config: Path | None = None, root: Path = Path("/")
) -> None:
    """Run the daemon until SIGTERM, SIGINT or the end of every recording; raises EdgedError if it cannot.

    ``config`` is the absolute path that the settings came from: SIGHUP (which may be blocked until then) and the control socket
    reload it. ``root`` is where /sys and /dev are, which show the accelerators.
    """
    freeze_what_stays()
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(claimed(settings.device.state_directory))
        store = await stack.enter_async_context(
            Store.open(directory / "events.db", settings.device.name, settings.store, read_clock, publish=settings.mqtt is not None)
        )
        daemon = Daemon(settings, store, make_views, config, admission=Admission(directory), root=root)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(BLOCKING_AT_ONCE, "blocking"))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stop)
        if daemon.reloader:
            await stack.enter_async_context(Control(daemon.answer).listening(directory))
            loop.add_signal_handler(signal.SIGHUP, daemon.reloader.request)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        if settings.metrics.listen:
            await stack.enter_async_context(Server(daemon.vitals.routes).listening(*parse_listen(settings.metrics.listen)))
        await daemon.run()


def _required(settings: Settings) -> list[str]:
    return [name for name, camera in settings.cameras.items() if camera.required]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The reason for the end: our own error if there is one, else whatever came first."""
    leaves = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((error for error in leaves if isinstance(error, EdgedError)), leaves[0])
