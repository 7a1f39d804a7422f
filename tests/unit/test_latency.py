"""A histogram forgets times, not their distribution: quantiles are right to the width of a bucket."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.latency import BOUNDS_MS, BUCKETS, NO_LATENCY, Histogram, Latency

TIMES_MS = st.lists(st.floats(0, 20_000), min_size=1, max_size=200)


def of(times_ms: list[float]) -> Latency:
    histogram = Histogram()
    for time_ms in times_ms:
        histogram.add(round(time_ms * 1e6))
    return histogram.read()


@given(TIMES_MS, st.floats(0.01, 1))
def test_quantile_is_in_the_bucket_of_the_true_one(times_ms: list[float], q: float) -> None:
    true_ms = sorted(times_ms)[math.ceil(q * len(times_ms)) - 1]
    found_ms = of(times_ms).quantile_ms(q)
    assert found_ms is not None
    upper = next((bound for bound in BOUNDS_MS if round(true_ms * 1e6) <= bound * 1e6), BOUNDS_MS[-1])
    lower = max((bound for bound in BOUNDS_MS if bound < upper), default=0) if true_ms <= BOUNDS_MS[-1] else BOUNDS_MS[-1]
    assert lower - 1e-6 <= found_ms <= upper + 1e-6


def test_bounds_grow_by_about_half() -> None:
    ratios = [b / a for a, b in pairwise(BOUNDS_MS)]
    assert 1.3 < min(ratios) <= max(ratios) < 1.7


@given(TIMES_MS, TIMES_MS)
def test_what_came_since_a_reading_is_what_was_added_after_it(first: list[float], then: list[float]) -> None:
    before, after = of(first), of(first + then)
    assert after.since(before).counts == of(then).counts
    assert (before + of(then)).counts == after.counts
    assert after.total_s == pytest.approx(sum(first + then) / 1e3, abs=1e-6)
    assert before.since(after) == before or before.counts == after.counts  # not a continuation: a life of its own


def test_nothing_has_no_quantile_and_times_before_the_epoch_are_zero() -> None:
    assert NO_LATENCY.quantile_ms(0.5) is None
    histogram = Histogram()
    histogram.add(-5)
    assert histogram.read() == Latency((1,) + (0,) * (BUCKETS - 1), 0.0)


@pytest.mark.parametrize("counts", [(), (1,) * (BUCKETS + 1), (-1,) + (0,) * (BUCKETS - 1)])
def test_another_process_cannot_hand_over_what_is_no_latency(counts: tuple[int, ...]) -> None:
    wire = msgspec.msgpack.encode({"counts": counts, "total_s": 1.0})
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(wire, type=Latency)
    for total_s in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="none negative"):
            Latency(total_s=total_s)
