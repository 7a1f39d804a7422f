"""Whether a trial is as good as what it replaces: confirmed, reverted with a code, or not to be said yet.

Pure: what was seen goes in, a verdict comes out. Rules: what is certain (a crash, an output that is no number) ends a trial at
once; what is a matter of degree needs enough frames of both, and a margin that no harmless update crosses; with nothing to
compare with, nothing is held against the trial. A trial that sees no frame is not judged, since nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edged.core.latency import NO_LATENCY, Latency
from edged.ota.status import Code
from edged.ota.target import Limits

MAX_WINDOW_S = 60.0
"""What is worse serves no longer than this."""

MIN_FRAMES = 30
"""Before latency is judged. At 30 fps a second's worth, at 1 fps half a window's."""

MIN_P95_FRAMES = 100
"""Before a p95 is judged, unless the window is over: of fewer it is that of two or three frames, and anything may delay these."""

MIN_CONFIRM_FRAMES = 10
"""Before anything is confirmed, however long that takes: a camera that is away, or sees a frame a minute."""

SLOWER = 2.5
"""Times the mean of the old model, where the target states no limit of its own. Three times is out; the rest is for what else a
machine does meanwhile. Compared by means, which are exact: a quantile of a histogram may be off by a bucket, 1.5 times."""

TYPICALLY_SLOWER = 1.6
"""Times the median, besides: a mean grows by a few frames that waited for a processor, a median does not. What the buckets of two
histograms may feign at most, 1.5, is below it; three times shows as 2 at least. A model below a millisecond is never slow."""

GROWTH_BYTES = 64 << 20
"""Of the process's memory from its tenth frame on. What an interpreter takes late is below that, a leak of a picture a frame
is above it within seconds."""

MEMORY_MARGIN_BYTES = 64 << 20
"""What the process may take beyond the limit of the model and what it took before: caches of another size, pages not given back."""

MIN_WINDOWS = 5
"""Of the old model before it is said what it usually sees: five spans as long as a trial."""

FAR = 5.0
"""Times the most or least that the old model saw in any of these spans. Scenes change: what lies within is no evidence."""

MANY_A_FRAME = 1.0
"""Detections a frame below which nothing is too many: from none to a few is what a better model does."""

FEW_DETECTIONS = 20
"""That the old model would have made in the time of the trial, at its least, before seeing fewer says something."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model did over a span, on all its cameras together.

    ``span_s`` runs from its first frame. ``not_finite`` counts frames whose outputs hold what is no number; ``rss_bytes`` is the
    process's memory at the end, ``grown_bytes`` how much of it came since the tenth frame. ``silent`` are cameras that
    are to deliver and do not (yet).
    """

    span_s: float = 0.0
    frames: int = 0
    detections: int = 0
    not_finite: int = 0
    crashes: int = 0
    hangs: int = 0
    rss_bytes: int = 0
    grown_bytes: int = 0
    invoke: Latency = NO_LATENCY
    silent: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Detections a frame."""
        return self.detections / self.frames if self.frames else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ok`` confirms, any other code reverts."""

    code: Code
    detail: str


def judge(trial: Seen, before: Sequence[Seen], limits: Limits, window_s: float) -> Verdict | None:
    """The verdict on a trial, ``None`` to go on. ``before`` are spans of the old model, each about as long as ``window_s``."""
    if found := next(_faults(trial, before, limits), None):
        return found
    if trial.span_s < min(window_s, MAX_WINDOW_S):
        return None
    if trial.silent:  # whether or not others deliver
        return Verdict("config_refused", f"after {trial.span_s:.0f} s nothing came from {', '.join(trial.silent)}")
    if trial.frames < MIN_CONFIRM_FRAMES:
        return None
    for found in (*_slowness(trial, before, limits, MIN_FRAMES), *_differences(trial, before)):
        return found
    return Verdict("ok", f"{trial.frames} frames in {trial.span_s:.0f} s, {trial.rate:.2g} detections a frame")


def _faults(trial: Seen, before: Sequence[Seen], limits: Limits) -> Iterator[Verdict]:
    """What ends a trial as soon as it shows."""
    deaths = max((span.crashes + span.hangs for span in before), default=0)
    if trial.crashes + trial.hangs > deaths:  # a driver that takes the process with it did so before as well
        how: Code = "hung" if trial.hangs else "crashed"
        yield Verdict(
            how, f"the vision process died {trial.crashes + trial.hangs} times; with the old model {deaths} times at most"
        )
    if trial.not_finite and not any(span.not_finite for span in before):
        yield Verdict("output_not_finite", f"{trial.not_finite} of {trial.frames} frames gave outputs that are no numbers")
    if trial.grown_bytes > GROWTH_BYTES:
        yield Verdict("memory_grew", f"the vision process grew by {trial.grown_bytes >> 20} MB")
    rss_bytes = max((span.rss_bytes for span in before), default=0)
    if limits.memory_mb and rss_bytes and trial.rss_bytes - rss_bytes > (limits.memory_mb << 20) + MEMORY_MARGIN_BYTES:
        more = (trial.rss_bytes - rss_bytes) >> 20
        yield Verdict("memory_grew", f"the vision process takes {more} MB more than before; the limit is {limits.memory_mb} MB")
    yield from _slowness(trial, before, limits, MIN_P95_FRAMES)


def _slowness(trial: Seen, before: Sequence[Seen], limits: Limits, min_p95_frames: int) -> Iterator[Verdict]:
    if trial.invoke.count < MIN_FRAMES:
        return
    if limits.p95_ms is not None:
        p95_ms = trial.invoke.quantile_ms(0.95) or 0.0
        if p95_ms > limits.p95_ms and trial.invoke.count >= min_p95_frames:
            yield Verdict("slow", f"95 % of its frames take up to {p95_ms:.1f} ms; the limit is {limits.p95_ms:g} ms")
        return
    old = sum((span.invoke for span in before), NO_LATENCY)
    if old.count < MIN_FRAMES:
        return
    typical, old_typical = (latency.quantile_ms(0.5) or 0.0 for latency in (trial.invoke, old))
    if _mean_ms(trial.invoke) > SLOWER * _mean_ms(old) and typical > TYPICALLY_SLOWER * old_typical:
        times = f"{_mean_ms(trial.invoke):.1f} ms a frame; the old model takes {_mean_ms(old):.1f} ms"
        yield Verdict("slow", f"it takes {times}")


def _differences(trial: Seen, before: Sequence[Seen]) -> Iterator[Verdict]:
    """What only a whole window shows: whether it sees far less, or far more, than the old model ever did in as long a time."""
    spans = [span for span in before if span.frames >= MIN_CONFIRM_FRAMES]
    if len(spans) < MIN_WINDOWS:
        return
    least, most = min(span.rate for span in spans), max(span.rate for span in spans)
    seen = f"it makes {trial.rate:.2g} detections a frame; the old model made {least:.2g} to {most:.2g}"
    if least * trial.frames >= FEW_DETECTIONS and trial.rate * FAR < least:
        yield Verdict("sees_less", seen)
    if trial.rate > FAR * max(most, MANY_A_FRAME):
        yield Verdict("sees_more", seen)


def _mean_ms(latency: Latency) -> float:
    return 1e3 * latency.total_s / latency.count
