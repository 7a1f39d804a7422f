"""The stage thread of one accelerator: it prepares inputs and understands outputs while the inference thread invokes.

Rules: everything that concerns one camera happens here, in order: its frames, its tracks, its events, its faults. Results come
first, then notices, then the next input. Cameras take turns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edged.infer.engine import Engine
from edged.vision.inference import Inference, Job
from edged.vision.line import Line
from edged.vision.mailbox import Bell
from edged.vision.shadow import Shadow

LEAD_NS = 1_500_000
"""How long before the running inference is expected to end a live frame is prepared, besides what preparing takes. A frame that
is taken at once would grow old while it waits; one that is taken too late leaves the accelerator idle."""

IDLE_S = 0.25
"""The longest sleep, so that a missed deadline mends itself."""


@dataclass(slots=True, eq=False)
class Exchange:
    """``lines`` in place of those that are served; what is in both goes on undisturbed.

    ``announce`` is called after the last word of the old lines and before the first of the new; ``done`` is set then.
    """

    lines: dict[str, Line]
    announce: Callable[[], None]
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, eq=False)
class Pause:
    """Lines on ``engine`` take no more frames; ``done`` is set once none of theirs is under inference.

    It lasts until ``over`` is set, or the lines are exchanged.
    """

    engine: Engine
    done: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Stage:
    """Serves the lines (cameras) of one accelerator; ``shadow`` may be shown what they see."""

    def __init__(self, lines: dict[str, Line], inference: Inference, bell: Bell) -> None:
        self._lines = lines
        self._turns = list(lines.values())
        self._exchange: Exchange | None = None
        self._pauses: list[Pause] = []
        self._inference = inference
        self._bell = bell
        self.shadow: Shadow | None = None
        self._turn = 0
        self._prepare_ns = 0
        self._stopping = threading.Event()
        self.finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stage", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def exchange(self, exchange: Exchange) -> None:
        """Serve other lines, from the next moment on at which none of those that go has a frame under inference."""
        self._exchange = exchange
        self._bell.ring()

    def pause(self, pause: Pause) -> None:
        """Let an engine rest while the others go on."""
        self._pauses.append(pause)
        self._bell.ring()
        if self.finished.is_set():
            pause.done.set()

    def resume(self, pause: Pause) -> None:
        """Serve the lines of ``pause`` again."""
        pause.over.set()
        self._bell.ring()

    def stop(self) -> None:
        """Finish what is under inference, close every track, and set ``finished``."""
        self._stopping.set()
        self._bell.ring()

    def _run(self) -> None:
        while not self._stopping.is_set() and self._busy:
            if not self._step():
                self._bell.wait(self._nap_s())
        while not self._inference.idle:
            if not self._finish_one():
                self._bell.wait(IDLE_S)
        self._inference.stop()
        for line in self._lines.values():
            line.close()
        self.finished.set()
        for pause in tuple(self._pauses):  # who waits for that is not to wait for ever
            pause.done.set()

    @property
    def _busy(self) -> bool:
        """Whether there may be more to do."""
        return bool(self._exchange or self._pauses) or not all(line.over for line in self._turns)

    def _step(self) -> bool:
        """Do the most urgent thing; False if there is nothing to do now."""
        if self._finish_one():
            return True
        if self._pauses:
            self._heed_pauses()
        if self._exchange and self._exchanged(self._exchange):
            return True
        if any(line.heed_notice() for line in self._turns):
            return True
        return not self._inference.waiting and self._prepare_next()

    def _finish_one(self) -> bool:
        result = self._inference.collect()
        if result is None:
            return False
        line = self._lines[result.job.camera]
        seen = line.finish(result)
        if (shadow := self.shadow) and shadow.compares(line.model):
            shadow.offer(result.job.frame, seen, line.wanted)
        return True

    def _heed_pauses(self) -> None:
        for pause in tuple(self._pauses):  # another thread may add to them
            if pause.over.is_set():
                self._pauses.remove(pause)
        self._turns = list(self._lines.values())
        for pause in tuple(self._pauses):
            resting = [line for line in self._lines.values() if line.model.engine is pause.engine]
            self._turns = [line for line in self._turns if line not in resting]
            if not any(line.jobs_in_flight for line in resting):
                pause.done.set()

    def _exchanged(self, exchange: Exchange) -> bool:
        """Let the old lines run dry; once they are, change over and return True."""
        leaving = [line for line in self._lines.values() if exchange.lines.get(line.camera) is not line]
        self._turns = [line for line in self._lines.values() if line not in leaving]
        if any(line.jobs_in_flight for line in leaving):
            return False
        for line in leaving:
            successor = exchange.lines.get(line.camera)
            if successor and successor.capture is line.capture:
                successor.take_over(line)
            else:
                line.close()
        self._lines, self._turns = exchange.lines, list(exchange.lines.values())
        self._exchange = None
        self._pauses.clear()  # what rested has left
        exchange.announce()
        exchange.done.set()
        return True

    def _prepare_next(self) -> bool:
        """Prepare the next frame that is due, beginning with the camera after the last one served."""
        now = time.monotonic_ns()
        for offset in range(len(self._turns)):
            index = (self._turn + offset) % len(self._turns)
            line = self._turns[index]
            if not line.capture.mailbox.waiting or (not line.capture.mailbox.every and now < self._due_ns()):
                continue
            if (frame := line.take()) is None:
                continue
            self._turn = index + 1
            placement, staged = line.prepare(frame)
            self._inference.submit(Job(line.camera, frame, placement, staged, line.model.engine, line.state))
            self._prepare_ns = time.monotonic_ns() - now
            return True
        return False

    def _due_ns(self) -> int:
        """When a live frame should be prepared so that it is ready, and fresh, as the running inference ends."""
        end_ns = self._inference.expected_end_ns
        return end_ns - self._prepare_ns - LEAD_NS if end_ns else 0

    def _nap_s(self) -> float:
        if self._inference.waiting or not any(line.capture.mailbox.waiting for line in self._turns):
            return IDLE_S
        return min(IDLE_S, max(0.0005, (self._due_ns() - time.monotonic_ns()) / 1e9))
