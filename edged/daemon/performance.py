"""What a followed model does, heartbeat by heartbeat: in spans for comparison, and since it was exchanged last.

Pure: counters and times go in. The counters of a camera go on over an exchange and begin anew with a process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from edged.ota.judgement import Seen
from edged.vision.counters import CameraStats

SPANS_KEPT = 20
"""Ten minutes of spans of 30 s: what is usual at this time of the day."""

SETTLED_FRAMES = 10
"""From then on memory that grows is growth: before, an interpreter takes what it needs."""


@dataclass
class _Since:
    """Sums since a moment, and what they are counted from."""

    seen: Seen = Seen()  # noqa: RUF009 - frozen
    began_s: float | None = None
    settled_rss_bytes: int | None = None
    readings: dict[str, CameraStats] = field(default_factory=dict)


class Performance:
    """Of one followed model, on all its cameras; ``span_s`` is the length of a trial."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._spans: deque[Seen] = deque(maxlen=SPANS_KEPT)
        self._before: deque[Seen] = deque(maxlen=SPANS_KEPT)
        self._readings: dict[str, CameraStats] = {}
        self._span = _Since()
        self._trial = _Since()

    @property
    def usual(self) -> tuple[Seen, ...]:
        """The whole spans of what serves now, the newest last."""
        return tuple(self._spans)

    @property
    def trial(self) -> Seen:
        """What was seen since the last exchange."""
        return self._trial.seen

    def exchanged(self) -> None:
        """Something else serves from now on. Counters of the heartbeat that comes next are still those of both."""
        self._before, self._spans = self._spans, deque(maxlen=SPANS_KEPT)
        self._span, self._trial = _Since(), _Since()
        self._readings.clear()

    def went_back(self) -> None:
        """What served before the last exchange serves again."""
        spans = self._before
        self.exchanged()
        self._spans = spans

    def died(self, *, hung: bool) -> None:
        """The vision process did."""
        for since in (self._span, self._trial):
            seen = since.seen
            since.seen = replace(seen, crashes=seen.crashes + (not hung), hangs=seen.hangs + hung)
            since.settled_rss_bytes = None
        self._readings.clear()

    def note(self, cameras: Iterable[CameraStats], rss_bytes: int, now_s: float) -> None:
        """Take in a heartbeat: the counters of the model's cameras, and the memory of the process."""
        fresh = []
        for camera in cameras:
            before = self._readings.get(camera.camera)
            self._readings[camera.camera] = camera
            if before is not None and before.since_ns == camera.since_ns and before.inferred <= camera.inferred:
                fresh.append(_between(before, camera))
        for since in (self._span, self._trial):
            _add(since, fresh, rss_bytes, now_s)
        if self._span.seen.span_s >= self._span_s:
            self._spans.append(self._span.seen)
            self._span = _Since()


def _between(before: CameraStats, after: CameraStats) -> Seen:
    return Seen(
        frames=after.inferred - before.inferred,
        detections=max(after.detections - before.detections, 0),
        not_finite=max(after.not_finite - before.not_finite, 0),
        invoke=after.invoke.since(before.invoke),
    )


def _add(since: _Since, fresh: Iterable[Seen], rss_bytes: int, now_s: float) -> None:
    seen = since.seen
    for more in fresh:
        seen = replace(
            seen,
            frames=seen.frames + more.frames,
            detections=seen.detections + more.detections,
            not_finite=seen.not_finite + more.not_finite,
            invoke=seen.invoke + more.invoke,
        )
    if seen.frames and since.began_s is None:
        since.began_s = now_s
    if since.settled_rss_bytes is None and seen.frames >= SETTLED_FRAMES:
        since.settled_rss_bytes = rss_bytes
    since.seen = replace(
        seen,
        span_s=now_s - since.began_s if since.began_s is not None else 0.0,
        rss_bytes=rss_bytes,
        grown_bytes=max(0, rss_bytes - (since.settled_rss_bytes if since.settled_rss_bytes is not None else rss_bytes)),
    )
