"""A counter never goes back, however often what counts begins anew."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st
from observed import counters, latency

from edged.daemon.observation import CAMERA_GAUGES
from edged.daemon.tally import Tally
from edged.vision.counters import CameraStats

LIVES = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=6), min_size=1, max_size=6)
"""Growth from heartbeat to heartbeat, of one life after the other."""


@given(LIVES)
def test_sum_over_lives_is_what_each_had_counted_in_the_end(lives: list[list[int]]) -> None:
    tally, seen = Tally[CameraStats](CAMERA_GAUGES), [0]
    for life, steps in enumerate(lives):
        captured = 0
        for step in steps:
            captured += step
            seen.append(tally.note(counters(captured=captured, since_ns=life), life).captured)
    assert seen == sorted(seen)
    assert seen[-1] == sum(map(sum, lives))


def test_histograms_are_summed_like_counters_and_gauges_are_not() -> None:
    tally = Tally[CameraStats](CAMERA_GAUGES)
    tally.note(counters(invoke=latency(10, 20), tracks=7), 1)
    total = tally.note(counters(invoke=latency(10), tracks=3), 2)
    assert total.invoke.counts == latency(10, 20, 10).counts
    assert total.tracks == 3


def test_counter_that_was_read_too_early_is_not_counted_twice() -> None:
    tally = Tally[CameraStats](CAMERA_GAUGES)
    damaged = [tally.note(counters(damaged=value), 1).damaged for value in (9, 2, 9, 10)]
    assert damaged == [9, 9, 9, 10]


def test_every_field_is_a_counter_or_named_a_gauge() -> None:
    """A field that is added to the heartbeat must be one of them, else sums of it would be nonsense."""
    for field in fields(CameraStats):
        assert field.name in CAMERA_GAUGES or field.type in {"int", "float", "Latency"}, field.name
