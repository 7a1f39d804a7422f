"""What a trial is confirmed or reverted for."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.latency import NO_LATENCY, Histogram, Latency
from edged.ota.judgement import (
    FAR,
    GROWTH_BYTES,
    MAX_WINDOW_S,
    MEMORY_MARGIN_BYTES,
    MIN_CONFIRM_FRAMES,
    MIN_FRAMES,
    MIN_WINDOWS,
    Seen,
    judge,
)
from edged.ota.target import Limits

WINDOW_S = 30.0
MB = 1 << 20


def took(ms: float, count: int = 300) -> Latency:
    histogram = Histogram()
    for _ in range(count):
        histogram.add(round(ms * 1e6))
    return histogram.read()


GOOD = Seen(span_s=WINDOW_S, frames=300, detections=300, rss_bytes=100 * MB, invoke=took(20))
NO_LIMITS = Limits()
USUAL = (GOOD,) * MIN_WINDOWS


def code(trial: Seen, before: tuple[Seen, ...] = USUAL, limits: Limits = NO_LIMITS, window_s: float = WINDOW_S) -> str | None:
    verdict = judge(trial, before, limits, window_s)
    return verdict.code if verdict else None


def changed(**changes: object) -> Seen:
    return dataclasses.replace(GOOD, **changes)


def test_as_good_as_before_is_confirmed_at_the_end_of_the_window_and_not_sooner() -> None:
    assert code(changed(span_s=WINDOW_S - 0.1)) is None
    assert code(GOOD) == "ok"


def test_no_window_is_longer_than_the_longest() -> None:
    assert code(changed(span_s=MAX_WINDOW_S), window_s=3600) == "ok"


def test_without_frames_there_is_no_verdict() -> None:
    assert code(changed(frames=MIN_CONFIRM_FRAMES - 1, invoke=NO_LATENCY, span_s=10_000.0)) is None
    assert code(Seen()) is None


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        (changed(crashes=1), "crashed"),
        (changed(hangs=1), "hung"),
        (changed(crashes=1, frames=0, invoke=NO_LATENCY), "crashed"),
        (changed(not_finite=1), "output_not_finite"),
        (changed(grown_bytes=GROWTH_BYTES + 1), "memory_grew"),
        (changed(invoke=took(60)), "slow"),
        (changed(invoke=took(60, MIN_FRAMES - 1)), None),
    ],
)
def test_what_is_certain_ends_it_at_once(trial: Seen, expected: str | None) -> None:
    assert code(dataclasses.replace(trial, span_s=1.0)) == expected


def test_a_driver_that_dies_as_often_with_the_old_model_is_not_held_against_the_new() -> None:
    flaky = (*USUAL, changed(crashes=1))
    assert code(changed(crashes=1), flaky) == "ok"
    assert code(changed(crashes=2), flaky) == "crashed"


def test_what_the_old_model_does_too_is_no_reason() -> None:
    assert code(changed(not_finite=3), (*USUAL, changed(not_finite=1))) == "ok"


@pytest.mark.parametrize("old_ms", [0.7, 3.1, 20, 400])
def test_three_times_slower_is_out_and_twice_is_not(old_ms: float) -> None:
    before = tuple(changed(invoke=took(old_ms)) for _ in USUAL)
    assert code(changed(invoke=took(3 * old_ms)), before) == "slow"
    assert code(changed(invoke=took(2 * old_ms)), before) == "ok"


@given(st.floats(1.0, 3000), st.floats(3, 3.3))
def test_three_times_slower_is_out_wherever_it_lies_in_the_buckets(old_ms: float, times: float) -> None:
    before = tuple(changed(invoke=took(old_ms, 40)) for _ in USUAL)
    assert code(changed(invoke=took(times * old_ms, 40), span_s=1.0), before) == "slow"


@given(st.floats(0.05, 3000), st.integers(1, 10))
def test_a_few_frames_that_waited_for_a_processor_are_not_the_model(usual_ms: float, late: int) -> None:
    before = tuple(changed(invoke=took(usual_ms, 40)) for _ in USUAL)
    assert code(changed(invoke=took(usual_ms, 40) + took(10 * usual_ms + 100, late)), before) == "ok"


def test_a_limit_is_not_judged_by_two_frames() -> None:
    late = took(20, 40) + took(300, 3)
    assert code(changed(invoke=late, span_s=1.0), limits=Limits(p95_ms=100)) is None
    assert code(changed(invoke=late), limits=Limits(p95_ms=100)) == "slow", "at the end of the window"
    assert code(changed(invoke=took(200, 100), span_s=1.0), limits=Limits(p95_ms=100)) == "slow"


def test_a_stated_limit_stands_in_for_the_comparison() -> None:
    assert code(changed(invoke=took(80)), limits=Limits(p95_ms=100)) == "ok", "four times slower, as its publisher says"
    assert code(changed(invoke=took(40)), limits=Limits(p95_ms=25)) == "slow", "twice slower, and not as its publisher says"


def test_memory_beyond_the_limit() -> None:
    limits = Limits(memory_mb=50)
    most = 150 * MB + MEMORY_MARGIN_BYTES
    assert code(changed(rss_bytes=most), limits=limits) == "ok"
    assert code(changed(rss_bytes=most + 1), limits=limits) == "memory_grew"
    assert code(changed(rss_bytes=most + 1)) == "ok", "no limit was stated"
    assert code(changed(rss_bytes=most + 1), before=(), limits=limits) == "ok", "nothing to compare with"


@pytest.mark.parametrize(("rate", "expected"), [(0, "sees_less"), (0.19, "sees_less"), (0.3, "ok"), (5, "ok"), (5.1, "sees_more")])
def test_far_from_what_the_old_model_sees(rate: float, expected: str) -> None:
    trial = changed(detections=round(rate * 300))
    assert code(trial) == expected
    assert code(dataclasses.replace(trial, span_s=1.0)) is None, "it takes a whole window to say"


def test_a_street_that_is_empty_at_times_says_nothing_about_a_model_that_sees_nothing() -> None:
    assert code(changed(detections=0), (*USUAL, changed(detections=0))) == "ok"


def test_a_few_more_where_nothing_was_is_what_a_better_model_does() -> None:
    empty = tuple(changed(detections=0) for _ in USUAL)
    assert code(changed(detections=300), empty) == "ok"
    assert code(changed(detections=round(300 * (FAR + 0.1))), empty) == "sees_more"


def test_detections_are_not_compared_without_enough_of_the_old() -> None:
    assert code(changed(detections=0), USUAL[1:]) == "ok"
    assert code(changed(detections=0), before=()) == "ok"


@given(st.floats(0, 100), st.integers(0, 1000), st.integers(0, 1000))
def test_the_same_model_is_never_reverted(span_s: float, frames: int, detections: int) -> None:
    same = Seen(span_s=span_s, frames=frames, detections=detections, rss_bytes=MB, invoke=took(20, min(frames, 50)))
    assert code(same, (same,) * MIN_WINDOWS) in {"ok", None}
