"""The inference thread of one accelerator: it does nothing but invoke.

Preparing the next input and understanding the last output happen on the stage thread meanwhile; both the interpreter and OpenCV let
go of the interpreter lock, so the accelerator never waits for Python.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from edged.core.frame import Frame
from edged.core.letterbox import Letterbox
from edged.core.tensor import RawOutput
from edged.infer.engine import Engine
from edged.infer.state import State
from edged.vision.mailbox import Bell


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A prepared input; ``staged`` is the filled copy of the input tensor, ``state`` what the model knows of the camera."""

    camera: str
    frame: Frame
    placement: Letterbox
    staged: NDArray[np.generic]
    engine: Engine
    state: State


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of a job."""

    job: Job
    outputs: list[RawOutput]
    invoke_ns: int
    cpu_ns: int


class Inference:
    """One thread that runs jobs in order; at most one waits while one runs.

    ``expected_end_ns`` is when the running one usually ends (CLOCK_MONOTONIC), 0 if none runs.
    """

    def __init__(self, bell: Bell) -> None:
        self.results: deque[Result] = deque()
        self.expected_end_ns = 0
        # By engine: a small model and a large one may share the accelerator. An engine that is replaced is forgotten.
        self._usual_ns: WeakKeyDictionary[Engine, int] = WeakKeyDictionary()
        self._bell = bell
        self._jobs: queue.Queue[Job | None] = queue.Queue(maxsize=2)  # one that waits, and the word to stop
        self._pending = 0
        self._done: Result | None = None
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the jobs that were submitted and leave."""
        self._jobs.put(None)

    def submit(self, job: Job) -> None:
        """Queue a job; only when ``waiting`` is False."""
        self._pending += 1
        self._jobs.put_nowait(job)

    def collect(self) -> Result | None:
        """The oldest result not yet taken."""
        if not self.results:
            return None
        self._pending -= 1
        return self.results.popleft()

    @property
    def waiting(self) -> bool:
        """Whether a job waits behind the one that runs."""
        return not self._jobs.empty()

    @property
    def idle(self) -> bool:
        """Whether every job was run and its result taken."""
        return self._pending == 0

    def _run(self) -> None:
        while (job := self._next()) is not None:
            started = time.monotonic_ns()
            usual = self._usual_ns.get(job.engine, 0)
            self.expected_end_ns = started + usual
            cpu = time.thread_time_ns()
            outputs = job.engine.infer(partial(self._fill, job), job.state)
            took = time.monotonic_ns() - started
            self._usual_ns[job.engine] = (7 * usual + took) // 8 if usual else took
            self._done = Result(job, outputs, took, time.thread_time_ns() - cpu)
            self.expected_end_ns = 0
            del job, outputs  # would keep the engine and the picture until the next job, which may not come

    def _next(self) -> Job | None:
        """The job that waits; if none does, the last result is handed over and the next job awaited."""
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            self._hand_over()
            return self._jobs.get()

    def _fill(self, job: Job, tensor: NDArray[np.generic]) -> None:
        """Fill the input, and only then wake the stage thread, which would compete for the interpreter lock until the invoke."""
        np.copyto(tensor, job.staged)
        self._hand_over()

    def _hand_over(self) -> None:
        """Wake the stage thread: there is a result, and room for a job."""
        if self._done is not None:
            self.results.append(self._done)
            self._done = None
        self._bell.ring()
