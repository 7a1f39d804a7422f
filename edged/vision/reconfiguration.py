"""From the order to go on with other settings to its answer, while everything goes on.

Rules: what is new is made beside what serves, on a thread of its own; only when all of it is there is anything stopped. The one
exception is memory: a model that does not fit beside the one in whose place it comes is loaded after that one was let go of, while
its frames wait, and that one again if anything is refused. The control thread calls ``advance`` and never waits for a model or a
device.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

from edged.core.errors import EdgedError, ModelRejected
from edged.infer.engine import Engine
from edged.vision import ipc
from edged.vision.assembly import Assembler, Assembly, Unfit
from edged.vision.capture import Capture
from edged.vision.loader import LoadedModel, Served
from edged.vision.report import Reporter
from edged.vision.settings import VisionSettings
from edged.vision.stage import Exchange, Pause, Stage

log = logging.getLogger("edged.vision")

PREPARE_S = 45.0
"""For loading models from a slow card and trying new sources. One that hangs for longer is given up: the old settings serve on."""

RELEASE_S = 1.0
"""How long drivers may take to let go of devices that are to be opened again, or no more."""

MAX_PROBLEMS = 100
MAX_PROBLEM_CHARS = 500
"""A refusal has to fit a datagram."""


class Reconfiguration:
    """One order. ``running`` is what serves: the old assembly, and the new one once it is ``over`` with success."""

    def __init__(self, settings: VisionSettings, running: Assembly, assembler: Assembler, stage: Stage, report: Reporter) -> None:
        self.running = running
        self.over = False
        self._stage = stage
        self._report = report
        self._made: Assembly | tuple[ipc.Problem, ...]
        self._loaded: list[LoadedModel] = []
        self._resting: list[tuple[Pause, Engine]] = []
        self._resting_since_ns = 0
        self._exchange: Exchange | None = None
        self._leaving: list[Capture] = []
        self._give_up_at_s = time.monotonic() + PREPARE_S
        self._thread = threading.Thread(target=self._prepare, args=(assembler, settings), name="prepare", daemon=True)
        self._thread.start()

    @property
    def preparing(self) -> bool:
        """Whether the thread that makes what is new lives; once the order is over only if it hangs."""
        return self._thread.is_alive()

    @property
    def wedged(self) -> bool:
        """Whether it was given up while a model is out of memory that somebody should serve: the process has to go."""
        return self.over and self.preparing and bool(self._resting)

    def advance(self) -> None:
        """Take the next step if it is due."""
        if self._exchange is not None:
            if self._exchange.done.is_set():
                self._complete()
        elif self.preparing:
            if time.monotonic() > self._give_up_at_s:
                self._refuse(ipc.Problem((), f"loading models and opening cameras takes longer than {PREPARE_S:g} s"))
        elif isinstance(self._made, Assembly):
            self._change_over(self._made)
        else:
            self._refuse(*self._made)

    def _prepare(self, assembler: Assembler, settings: VisionSettings) -> None:
        try:
            self._made = assembler.assemble(settings, self.running, self._loaded.append, self._release)
        except Unfit as error:  # its traceback would keep what was made so far
            self._loaded.clear()
            self._made = tuple(_problem(key, problem) for key, problem in error.problems)
        if self.over or not isinstance(self._made, Assembly):
            self._restore()

    def _release(self, served: Served) -> None:
        """On the preparing thread: let a model rest, and give its memory back; raises ModelRejected once nobody waits for that."""
        if self.over:
            raise ModelRejected("it took too long, and was given up", fault="hanging")
        pause = Pause(served.model.engine)
        self._stage.pause(pause)
        pause.done.wait()
        self._resting_since_ns = self._resting_since_ns or time.monotonic_ns()
        self._resting.append((pause, pause.engine))
        pause.engine.release()

    def _restore(self) -> None:
        """On the preparing thread: have what rests serve again. What cannot be loaded any more ends the process: a new one may."""
        for pause, engine in self._resting:
            try:
                engine.restore()
            except EdgedError as error:
                raise RuntimeError(f"the model that served cannot be loaded again: {error}") from error
            self._stage.resume(pause)
        if self._resting:
            log.warning("the model before serves again; its frames waited for %.0f ms", self._rested_ms())
            self._resting.clear()

    def _rested_ms(self) -> float:
        return (time.monotonic_ns() - self._resting_since_ns) / 1e6 if self._resting else 0.0

    def _refuse(self, *problems: ipc.Problem) -> None:
        cut = tuple(replace(problem, text=problem.text[:MAX_PROBLEM_CHARS]) for problem in problems[:MAX_PROBLEMS])
        self.over = True  # before it is told: from then on no model is let go of for it
        self._report.send(ipc.Refused(cut))
        self._loaded.clear()

    def _change_over(self, made: Assembly) -> None:
        kept = {line.capture for line in made.lines.values()}
        self._leaving = [line.capture for line in self.running.lines.values() if line.capture not in kept]
        for capture in self._leaving:
            capture.stop()
        self._exchange = Exchange(made.lines, self._announce)
        self._stage.exchange(self._exchange)

    def _announce(self) -> None:
        """On the stage thread, between the last word of the old lines and the first of the new."""
        assert isinstance(self._made, Assembly)
        paused_ms = self._rested_ms()
        if self._resting:
            log.warning("frames waited for %.0f ms while a model was exchanged", paused_ms)
            self._resting.clear()
        self._report.send(ipc.Reconfigured(tuple(self._made.opened), tuple(model.name for model in self._loaded), paused_ms))
        for model in self._loaded:
            self._report.send(model.serves())

    def _complete(self) -> None:
        """Open the new sources once the old ones, which may be the same devices, are closed."""
        assert isinstance(self._made, Assembly)
        deadline_s = time.monotonic() + RELEASE_S
        for capture in self._leaving:
            if not capture.join(max(0.0, deadline_s - time.monotonic())):
                log.warning("camera %s: its driver does not let go of it", capture.camera)
        for name in self._made.opened:
            self._made.lines[name].capture.start()
        self.running, self.over = self._made, True
        self._exchange = None  # it leads back to this order, and such a circle, with its lines, is freed much later
        self._leaving.clear()


def _problem(key: tuple[str, ...], error: EdgedError) -> ipc.Problem:
    return ipc.Problem(key, str(error), error.fault if isinstance(error, ModelRejected) else None)
