"""A candidate looks at frames of the cameras beside the model that serves, and both are compared. Nothing else follows from it.

Rules: the stage thread only leaves frames, and never waits; a frame that comes while the candidate is busy is left out. All else
happens on a thread of its own, on one CPU thread, and whatever goes wrong there is a report: the cameras are served on.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import queue
import threading
import time
from collections.abc import Callable

from edged.core.detections import Detections
from edged.core.errors import EdgedError, ModelRejected
from edged.core.frame import Frame
from edged.infer.bundle import Bundle
from edged.infer.settings import ModelSettings
from edged.tracking.agreement import Agreement, compare
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.assembly import Assembly
from edged.vision.candidate import Candidate, numbered, shortest_ns
from edged.vision.headroom import megabytes, need_bytes
from edged.vision.loader import LoadedModel, Served, load
from edged.vision.report import Reporter

log = logging.getLogger("edged.vision")

LOAD_S = 45.0
FRAME_S = 10.0
"""How long a candidate may take to load, and for one frame, before it counts as hanging."""

STOP_CHECK_S = 0.1
"""How soon a candidate that waits for frames leaves once it is told to."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A frame that was inferred, and what of it counts for the model that serves."""

    frame: Frame
    seen: Detections
    wanted: tuple[str, ...]
    """Labels that the camera follows; empty for all."""


@dataclasses.dataclass(slots=True)
class _Sums:
    """Of all frames together; written by the candidate's thread alone."""

    agreement: Agreement = dataclasses.field(default_factory=Agreement)
    not_finite: int = 0
    cpu_ns: int = 0


class Shadow:
    """One candidate. ``offer`` belongs to the stage thread, ``report`` and ``stop`` to the control thread."""

    def __init__(self, order: ipc.Shadow, serving: Served, tracking: TrackerSettings, free_bytes: Callable[[], int]) -> None:
        self.model_name = order.model_name
        self._order = order
        # And not the model that serves itself: its engine would be kept.
        self._serving, self._settings, self._manifest = serving.model.bundle.identity, serving.settings, serving.model.manifest
        self._tracking = tracking
        self._free_bytes = free_bytes
        self._samples: queue.Queue[Sample | None] = queue.Queue(1)
        self._due = 0.0
        self._skipped = 0
        self._sums = _Sums()
        self._numbers: dict[str, int] = {}
        self._digest = ""
        self._latency_ratio: float | None = None
        self._ended: ipc.ShadowEnd = ""
        self._message = ""
        self._stopping = threading.Event()
        self._loaded = threading.Event()
        self._busy_until_s = time.monotonic() + LOAD_S
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def compares(self, model: LoadedModel) -> bool:
        """Whether ``model`` is the one that the candidate is compared with."""
        return model.name == self.model_name and model.bundle.identity == self._serving

    def offer(self, frame: Frame, seen: Detections, wanted: tuple[str, ...]) -> None:
        """Show a frame that was inferred, with the detections that count; a share of them is looked at."""
        if not self._loaded.is_set():
            return
        self._due += self._order.share
        if self._due < 1:
            return
        self._due -= 1
        try:
            self._samples.put_nowait(Sample(frame, seen, wanted))
        except queue.Full:
            self._skipped += 1

    def stop(self, why: str = "") -> None:
        """End it before its time."""
        self._message = self._message or why
        self._stopping.set()

    @property
    def hangs(self) -> bool:
        """Whether the candidate's thread is still inside after it was given up."""
        return self._thread.is_alive() and time.monotonic() > self._busy_until_s

    @property
    def over(self) -> bool:
        """Whether the last report can be made."""
        return not self._thread.is_alive() or self.hangs

    def report(self, *, last: bool = False) -> ipc.Agreement:
        """How far the two agree so far; the ``last`` word is to be said once it is ``over``."""
        sums, ended, message = self._sums, self._ended if last else "", self._message if last else ""
        if last and self.hangs:
            ended, message = "failed", f"hangs: not done after {FRAME_S if self._loaded.is_set() else LOAD_S:g} s"
        frames, matched = sums.agreement.frames, sums.agreement.matched
        return ipc.Agreement(
            model_name=self.model_name,
            number=self._order.number,
            digest=self._digest,
            frames=frames,
            skipped=self._skipped,
            matched=matched,
            only_serving=sums.agreement.only_serving,
            only_candidate=sums.agreement.only_candidate,
            not_finite=sums.not_finite,
            score_drift=sums.agreement.drift / matched if matched else None,
            candidate_cpu_ms=sums.cpu_ns / 1e6 / max(1, frames),
            latency_ratio=self._latency_ratio,
            ended=ended,
            message=message,
        )

    def _run(self) -> None:
        try:
            self._look()
            self._ended = "stopped" if self._stopping.is_set() else "done"
        except _NoRoom as error:
            self._ended, self._message = "no_room", error.message
        except EdgedError as error:
            self._ended, self._message = "failed", str(error)
        except Exception as error:  # a candidate is on trial, and not the process that it is tried in
            log.exception("model %s: the candidate failed", self.model_name)
            self._ended, self._message = "failed", f"{type(error).__name__}: {error}"

    def _look(self) -> None:
        order = self._order
        serving_ns = self._time_serving()
        served = self._load(order.candidate, order.identity, order.memory_bytes)
        self._latency_ratio = shortest_ns(served) / serving_ns if serving_ns else None
        candidate = Candidate(served, self._numbers)
        self._digest = candidate.digest
        end_s = time.monotonic() + order.seconds
        self._busy_until_s = math.inf
        self._loaded.set()
        while self._sums.agreement.frames < order.frames and (left_s := end_s - time.monotonic()) > 0:
            try:
                sample = self._samples.get(timeout=min(left_s, STOP_CHECK_S))
            except queue.Empty:
                sample = None
            if self._stopping.is_set():
                return
            if sample:
                self._judge(candidate, sample)

    def _judge(self, candidate: Candidate, sample: Sample) -> None:
        self._busy_until_s = time.monotonic() + FRAME_S
        seen, cpu_ns, finite = candidate.see(sample.frame, sample.wanted)
        self._sums.agreement += compare(numbered(sample.seen, self._manifest, self._numbers), seen)
        self._sums.not_finite += not finite
        self._sums.cpu_ns += cpu_ns
        self._busy_until_s = math.inf

    def _time_serving(self) -> int | None:
        """CPU time of the model that serves, loaded once more for a moment and run as the candidate is; ``None`` if it cannot be.

        What it takes in its place says little: with more threads a part of that is waiting for each other.
        """
        try:
            return shortest_ns(self._load(self._settings, self._serving, 0))
        except EdgedError as error:
            log.warning("model %s: cannot be loaded once more to compare times: %s", self.model_name, error)
            return None

    def _load(self, settings: ModelSettings, identity: str, measured_bytes: int) -> Served:
        """Load a model on one thread of the CPU; raises what ``load`` does, _NoRoom where it does not fit into memory now."""

        def fit(bundle: Bundle) -> None:
            needed, free = need_bytes(bundle, measured_bytes), self._free_bytes()
            if needed > free:
                raise _NoRoom(f"needs {megabytes(needed)} beside the model that serves; {megabytes(free)} are free")

        settings, why_cpu = dataclasses.replace(settings, threads=1), "in the shadow of another"
        return load(self.model_name, settings, self._tracking, identity=identity, avoid=why_cpu, make_room=fit)


class _NoRoom(ModelRejected):
    """The candidate does not fit into memory beside what serves."""


class Shadowing:
    """Orders of shadows, one after the other. Belongs to the control thread."""

    def __init__(self, report: Reporter, free_bytes: Callable[[], int]) -> None:
        self._report = report
        self._free_bytes = free_bytes
        self._shadow: Shadow | None = None
        self._hanging: Shadow | None = None
        self._wanted: ipc.Shadow | None = None

    def order(self, order: ipc.Shadow | ipc.StopShadow) -> None:
        """Have another shadow, or none; the one before says what it saw until then."""
        if self._shadow:
            self._shadow.stop()
        if self._wanted:
            self._refuse(self._wanted, "stopped", "")
        self._wanted = order if isinstance(order, ipc.Shadow) else None

    def advance(self, running: Assembly) -> Shadow | None:
        """Take the next step if it is due; the shadow that is to be shown frames."""
        if self._shadow and not any(self._shadow.compares(served.model) for served in running.models.values()):
            self._shadow.stop("the model that serves was exchanged")
        if self._shadow and self._shadow.over:
            self._report.send(self._shadow.report(last=True))
            self._hanging = self._shadow if self._shadow.hangs else self._hanging
            self._shadow = None
        if self._wanted and not self._shadow:
            order, self._wanted = self._wanted, None
            serving = running.models.get(order.model_name)
            if serving is None:
                self._refuse(order, "failed", f"no model {order.model_name} serves")
            elif self._hanging and self._hanging.hangs:
                self._refuse(order, "failed", "the candidate before still hangs")
            else:
                self._shadow = Shadow(order, serving, running.settings.tracking, self._free_bytes)
        return self._shadow

    def tell(self) -> None:
        """How far it is."""
        if self._shadow:
            self._report.offer(self._shadow.report())

    def _refuse(self, order: ipc.Shadow, ended: ipc.ShadowEnd, message: str) -> None:
        self._report.send(ipc.no_agreement(order, ended, message))
