"""The vision process: everything native, and nothing else.

Rules: the control thread (this one) only listens, watches for stalls and sends the heartbeat. A thread that fails takes the process
with it; the main process starts another. The process never outlives the main process.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from types import TracebackType

from edged.core.errors import EdgedError, ProtocolViolated
from edged.sources.open import open_source
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.capture import Capture, OpenSource
from edged.vision.inference import Inference
from edged.vision.line import Line
from edged.vision.loader import LoadedModel, load
from edged.vision.mailbox import Bell
from edged.vision.report import Reporter
from edged.vision.settings import CameraSettings, VisionSettings
from edged.vision.stage import Stage

log = logging.getLogger("edged.vision")

HEARTBEAT_S = 1.0
STALL_CHECK_S = 0.1
EXIT_WEDGED = 71
EXIT_BROKEN = 70
CAPTURE_JOIN_S = 1.0
"""How long a driver may take to let go of a device at the end."""

SWITCH_INTERVAL_S = 0.001
"""After an inference its thread waits for Python at most so long; the default of 5 ms would show in the frame rate."""


def every_frame(settings: CameraSettings) -> bool:
    """Whether the source waits for us (a recording read as fast as possible) instead of dropping what is late."""
    paces = [source.pace for source in (settings.file, settings.synthetic) if source]
    return "fast" in paces


class Vision:
    """The threads of the vision process, made from its settings."""

    def __init__(self, settings: VisionSettings, report: Reporter, open_source: OpenSource) -> None:
        self._report = report
        self._bell = bell = Bell()
        self._inference = Inference(bell)
        models = {name: self._load(name, settings) for name in sorted({c.model for c in settings.cameras.values()})}
        self._lines = [
            Line(
                Capture(name, camera, bell, open_source, every=every_frame(camera)),
                camera,
                *models[camera.model],
                run=settings.run,
                report=report,
            )
            for name, camera in settings.cameras.items()
        ]
        self._stage = Stage(self._lines, self._inference, bell)

    def _load(self, name: str, settings: VisionSettings) -> tuple[LoadedModel, TrackerSettings]:
        model, tracking = load(name, settings.models[name], settings.tracking)
        self._report.send(model.serves())
        return model, tracking

    def run(self, channel: socket.socket) -> int:
        """Serve until told to stop, every recording has ended, or the main process is gone; returns the exit status."""
        self._inference.start()
        self._stage.start()
        for line in self._lines:
            line.capture.start()
        beat_at = time.monotonic() + HEARTBEAT_S
        while not self._stage.finished.is_set():
            if select.select([channel], [], [], STALL_CHECK_S)[0] and not self._obey(channel):
                return 0
            now = time.monotonic()
            if not all(line.capture.check_stall(time.monotonic_ns()) for line in self._lines):
                log.error("a camera's driver hangs and cannot be interrupted: leaving, to be started again")
                return EXIT_WEDGED
            if now >= beat_at:
                beat_at = now + HEARTBEAT_S
                self._report.offer(self.stats())
        for line in self._lines:
            line.capture.join(CAPTURE_JOIN_S)
        self._report.send(self.stats())
        self._report.send(ipc.Finished())
        return 0

    def stats(self) -> ipc.Stats:
        """The counters of all cameras."""
        return ipc.Stats(tuple(line.stats() for line in self._lines))

    def _obey(self, channel: socket.socket) -> bool:
        datagram = channel.recv(ipc.MAX_MESSAGE_BYTES)
        if not datagram:
            return False  # the main process is gone
        if not isinstance(ipc.decode(datagram), ipc.Stop):
            raise ProtocolViolated("the only order that may follow the settings is to stop")
        for line in self._lines:
            line.capture.stop()
        self._stage.stop()
        return True


def serve(channel: socket.socket, open_source: OpenSource = open_source) -> int:
    """The life of the vision process on its end of the pair."""
    report = Reporter(channel)
    try:
        settings = ipc.decode(channel.recv(ipc.MAX_MESSAGE_BYTES))
        if not isinstance(settings, VisionSettings):
            raise ProtocolViolated("the first order must be the settings")
        vision = Vision(settings, report, open_source)
    except EdgedError as error:
        report.send(ipc.Fault(error.message, error.hint))
        return 1
    return vision.run(channel)


def _abandon(args: threading.ExceptHookArgs) -> None:
    """A thread failed: say where, and leave at once; a half-alive process would be worse than a new one."""
    print_exception(args.exc_type, args.exc_value, args.exc_traceback)
    os._exit(EXIT_BROKEN)


def print_exception(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """The traceback on stderr, where the main process reads it into the log."""
    traceback.print_exception(kind, error, trace)
    sys.stderr.flush()


def main(fd: int) -> None:
    """Entry of ``python -m edged.vision FD``; never returns, so that no thread holds the exit up."""
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    threading.excepthook = _abandon
    status = serve(socket.socket(fileno=fd))
    sys.stderr.flush()
    os._exit(status)
