"""What a followed model does, told from heartbeats."""

from __future__ import annotations

from edged.core.latency import Histogram
from edged.daemon.performance import SETTLED_FRAMES, SPANS_KEPT, Performance
from edged.vision.counters import CameraStats

SPAN_S = 10.0
MB = 1 << 20


def stats(inferred: int, *, detections: int = 0, not_finite: int = 0, since_ns: int = 1, camera: str = "door") -> CameraStats:
    histogram = Histogram()
    for _ in range(inferred):
        histogram.add(20_000_000)
    zeros = dict.fromkeys(("capture_cpu_ms", "prepare_cpu_ms", "decode_cpu_ms", "track_cpu_ms", "report_cpu_ms"), 0.0)
    counts = dict.fromkeys(("captured", "dropped", "tracks", "tracks_dropped", "live_unsent"), 0)
    return CameraStats(
        camera=camera,
        inferred=inferred,
        detections=detections,
        not_finite=not_finite,
        since_ns=since_ns,
        invoke=histogram.read(),
        invoke_ms=0.0,
        invoke_cpu_ms=0.0,
        age_ms=0.0,
        **zeros,
        **counts,
    )


def run(
    performance: Performance, first_s: int, last_s: int, *, per_s: int = 10, rss_bytes: int = 100 * MB, since_ns: int = 1
) -> None:
    """A heartbeat a second, with as many detections as frames."""
    for second in range(first_s, last_s + 1):
        count = second * per_s
        performance.note([stats(count, detections=count, since_ns=since_ns)], rss_bytes, float(second))


def test_spans_hold_what_was_seen_in_them() -> None:
    performance = Performance(SPAN_S)
    run(performance, 0, 35)
    assert len(performance.usual) == 3
    for span in performance.usual:
        assert span.span_s == SPAN_S
        assert span.frames == span.detections == span.invoke.count
        assert 100 <= span.frames <= 110
        assert span.rate == 1.0


def test_what_is_kept_is_bounded() -> None:
    performance = Performance(SPAN_S)
    run(performance, 0, 1000)
    assert len(performance.usual) == SPANS_KEPT


def test_the_heartbeat_over_an_exchange_counts_for_neither() -> None:
    performance = Performance(SPAN_S)
    run(performance, 0, 12)
    performance.exchanged()
    assert performance.usual == ()
    performance.note([stats(130, not_finite=7)], 100 * MB, 13.0)
    assert performance.trial.not_finite == 0
    performance.note([stats(140, not_finite=8)], 100 * MB, 14.0)
    performance.note([stats(150, not_finite=9)], 100 * MB, 15.0)
    assert (performance.trial.frames, performance.trial.not_finite, performance.trial.span_s) == (20, 2, 1.0)


def test_what_was_usual_before_is_usual_again_after_going_back() -> None:
    performance = Performance(SPAN_S)
    run(performance, 0, 25)
    before = performance.usual
    performance.exchanged()
    run(performance, 26, 60)
    performance.went_back()
    assert performance.usual == before
    assert performance.trial.frames == 0


def test_a_death_counts_and_the_counters_of_the_next_process_begin_anew() -> None:
    performance = Performance(SPAN_S)
    run(performance, 0, 5)
    performance.died(hung=False)
    performance.died(hung=True)
    performance.note([stats(3, since_ns=2)], 90 * MB, 6.0)
    performance.note([stats(8, since_ns=2)], 90 * MB, 7.0)
    assert (performance.trial.crashes, performance.trial.hangs, performance.trial.frames) == (1, 1, 55)
    run(performance, 8, 15)
    assert (performance.usual[0].crashes, performance.usual[0].hangs) == (1, 1)


def test_memory_grows_from_where_it_has_settled() -> None:
    performance = Performance(SPAN_S)
    performance.exchanged()
    run(performance, 0, 1, per_s=SETTLED_FRAMES, rss_bytes=100 * MB)
    run(performance, 2, 2, per_s=SETTLED_FRAMES, rss_bytes=130 * MB)
    assert (performance.trial.rss_bytes, performance.trial.grown_bytes) == (130 * MB, 30 * MB)
    performance.died(hung=False)
    run(performance, 3, 4, per_s=SETTLED_FRAMES, rss_bytes=150 * MB)
    assert performance.trial.grown_bytes == 0, "another process"


def test_cameras_are_added_up_and_one_that_is_opened_anew_counts_from_then_on() -> None:
    performance = Performance(SPAN_S)
    performance.note([stats(10), stats(100, camera="gate")], MB, 0.0)
    performance.note([stats(20), stats(130, camera="gate")], MB, 1.0)
    performance.note([stats(25), stats(4, camera="gate", since_ns=9)], MB, 2.0)
    performance.note([stats(25), stats(9, camera="gate", since_ns=9)], MB, 3.0)
    assert performance.trial.frames == 10 + 30 + 5 + 5
