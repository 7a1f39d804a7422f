"""The vision process: everything native, and nothing else.

Rules: the control thread (this one) only listens, watches for stalls and sends the heartbeat. A thread that fails takes the process
with it; the main process starts another. Once it serves, it leaves as soon as the main process is gone.
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
from collections.abc import Callable
from functools import partial

from edged.core.errors import DelegateFailed, EdgedError, ModelRejected, ProtocolViolated
from edged.core.garbage import freeze_what_stays
from edged.infer.probe.machine import free_bytes
from edged.sources.open import open_source
from edged.vision import datagrams, ipc
from edged.vision.assembly import Assembler, Unfit
from edged.vision.capture import OpenSource
from edged.vision.inference import Inference
from edged.vision.line import Line
from edged.vision.mailbox import Bell
from edged.vision.note import Note
from edged.vision.reconfiguration import Reconfiguration
from edged.vision.report import Reporter
from edged.vision.settings import VisionSettings
from edged.vision.shadow import Shadowing
from edged.vision.stage import Stage

log = logging.getLogger("edged.vision")

HEARTBEAT_S = 1.0
STALL_CHECK_S = 0.1
ORDER_CHECK_S = 0.01
"""How often the control thread looks about itself, and while other settings are prepared: frames may be waiting for that."""

EXIT_WEDGED = 71
EXIT_BROKEN = 70
LEAVE_S = 2.0
"""How long the stage may take to close what healthy cameras see, before a process that has to go does."""

CAPTURE_JOIN_S = 1.0
"""How long a driver may take to let go of a device at the end."""


class Vision:
    """The threads of the vision process, made from its settings; ``note`` is marked while an accelerator is at work.

    ``free_bytes`` tells how much memory a model may take now.

    Raises Unfit for settings that cannot be served, DelegateFailed for an accelerator that cannot be used.
    """

    def __init__(
        self,
        settings: VisionSettings,
        report: Reporter,
        open_source: OpenSource,
        note: Note | None = None,
        *,
        free_bytes: Callable[[], int] = free_bytes,
    ) -> None:
        self._report = report
        bell = Bell()
        self._inference = Inference(bell)
        self._assembler = Assembler(bell, report, open_source, note or Note(), free_bytes=free_bytes)
        self._running = self._assembler.assemble(settings, None, lambda model: report.send(model.serves()))
        self._stage = Stage(self._running.lines, self._inference, bell)
        self._wanted: VisionSettings | None = None
        self._order: Reconfiguration | None = None
        self._shadowing = Shadowing(report, free_bytes)
        self._stopped = self._hang_said = False

    @property
    def _lines(self) -> list[Line]:
        return list(self._running.lines.values())

    def run(self, channel: socket.socket) -> int:
        """Serve until told to stop, every recording has ended, or the main process is gone; returns the exit status."""
        self._start()
        beat_at = time.monotonic() + HEARTBEAT_S
        while not self._stage.finished.is_set():
            look_s = ORDER_CHECK_S if self._order and not self._order.over else STALL_CHECK_S
            if select.select([channel], [], [], look_s)[0] and not self._obey(channel):
                return 0
            self._advance()
            if (self._order and self._order.wedged) or self._hopeless(time.monotonic_ns()):
                self._stop()
                self._stage.finished.wait(LEAVE_S)
                return EXIT_WEDGED
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + HEARTBEAT_S
                self._report.offer(self.stats())
                self._shadowing.tell()
        self._shadowing.order(ipc.StopShadow())
        for line in self._lines:
            line.capture.join(CAPTURE_JOIN_S)
        self._report.send(self.stats())
        if not self._stopped and not any(line.ended for line in self._lines):
            self._report.send(ipc.Fault("no camera is left that could deliver", "the log says why each was given up"))
        self._report.send(ipc.Finished())
        return 0

    def _start(self) -> None:
        """Apart from ``run``, whose local variable would keep a line, and its model, for as long as the process lives."""
        self._inference.start()
        self._stage.start()
        for line in self._lines:
            line.capture.start()

    def _hopeless(self, now_ns: int) -> bool:
        """Whether a driver hangs that cannot be interrupted, and no other camera would be cut off by leaving."""
        hung = [line for line in self._lines if not line.capture.check_stall(now_ns)]
        if not hung:
            return False
        others = any(line.capture.delivers(now_ns) for line in self._lines if line not in hung and not line.over)
        if not self._hang_said or not others:
            self._hang_said = True
            then = "it stays lost, since other cameras deliver" if others else "leaving, to be started again"
            log.error("camera %s: its driver hangs and cannot be interrupted: %s", hung[0].camera, then)
        return not others

    def stats(self) -> ipc.Stats:
        """The counters of all cameras."""
        return ipc.Stats(tuple(line.stats() for line in self._lines))

    def _stop(self) -> None:
        self._stopped = True
        self._shadowing.order(ipc.StopShadow())
        for line in self._lines:
            line.capture.stop()
        self._stage.stop()

    def _obey(self, channel: socket.socket) -> bool:
        """Take one order; False if the main process is gone."""
        try:
            datagram = channel.recv(datagrams.MAX_MESSAGE_BYTES)
        except ConnectionResetError:  # gone without having read all we said
            return False
        if not datagram:
            return False
        match datagrams.decode_order(datagram):
            case ipc.Stop():
                self._stop()
            case ipc.Shadow() | ipc.StopShadow() as order:
                self._shadowing.order(order)
            case ipc.Reconfigure(settings) if self._wanted is None:
                self._wanted = settings  # the one before may be answered and not yet completed
            case order:
                raise ProtocolViolated(f"an order {type(order).__name__} may not come now")
        return True

    def _advance(self) -> None:
        """Go on with what was ordered."""
        self._stage.shadow = self._shadowing.advance(self._running)
        if self._stopped:  # what is new does not begin any more
            return
        if self._order and not self._order.over:
            self._order.advance()
            self._running = self._order.running
        elif self._wanted:
            settings, self._wanted = self._wanted, None
            if self._order and self._order.preparing:
                self._report.send(ipc.Refused((ipc.Problem((), "the attempt before still hangs in a model or a camera"),)))
            else:
                self._order = Reconfiguration(settings, self._running, self._assembler, self._stage, self._report)


def serve(channel: socket.socket, report: Reporter, note: Note, open_source: OpenSource = open_source) -> int:
    """The life of the vision process on its end of the pair."""
    try:
        settings = datagrams.decode_order(channel.recv(datagrams.MAX_MESSAGE_BYTES))
        if not isinstance(settings, VisionSettings):
            raise ProtocolViolated("the first order must be the settings")
        vision = Vision(settings, report, open_source, note)
    except EdgedError as error:
        report.send(_fault(error, note))
        return 1
    return vision.run(channel)


def _fault(error: EdgedError, note: Note) -> ipc.Fault | ipc.AcceleratorFailed | ipc.BundlesChanged:
    """What to say of an error that ends the process. The note still names the model whose accelerator raised it."""
    if isinstance(error, Unfit) and all(_is_changed(problem) for _, problem in error.problems):
        return ipc.BundlesChanged(error.message)
    if isinstance(error, DelegateFailed) and (models := note.inside()):
        return ipc.AcceleratorFailed(models[0], error.message, error.hint)
    return ipc.Fault(error.message, error.hint)


def _is_changed(problem: EdgedError) -> bool:
    return isinstance(problem, ModelRejected) and problem.fault == "changed"


def abandon(report: Reporter, note: Note, args: threading.ExceptHookArgs) -> None:
    """A thread failed: say why, and leave at once; a half-alive process would be worse than a new one."""
    if isinstance(args.exc_value, EdgedError):  # such as a model that fails at a certain picture: a new process would as well
        report.send(_fault(args.exc_value, note))
    else:
        for line in "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)).splitlines():
            log.critical("%s", line)
    sys.stderr.flush()
    os._exit(EXIT_BROKEN)


def main(fd: int, note_fd: int) -> None:
    """Entry of ``python -m edged.vision FD NOTE``; never returns, so that no thread holds the exit up."""
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a service manager may tell the whole group; the main process decides
    channel = socket.socket(fileno=fd)
    report, note = Reporter(channel), Note(note_fd)
    threading.excepthook = partial(abandon, report, note)
    freeze_what_stays()
    status = serve(channel, report, note)
    sys.stderr.flush()
    os._exit(status)
