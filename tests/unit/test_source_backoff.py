from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.backoff import Backoff


@given(
    minimum=st.floats(0.01, 10),
    factor=st.floats(1, 1000),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40),
)
def test_delays_stay_within_bounds_and_within_three_times_the_one_before(minimum: float, factor: float, draws: list[float]) -> None:
    backoff = Backoff(minimum, minimum * factor, iter(draws).__next__)
    last = minimum
    for _ in draws:
        delay = backoff.next_delay_s()
        assert minimum <= delay <= minimum * factor
        assert delay <= 3 * last * (1 + 1e-9)
        last = delay


def test_grows_to_the_maximum_and_reset_begins_again() -> None:
    backoff = Backoff(1.0, 20.0, lambda: 1.0)
    assert [backoff.next_delay_s() for _ in range(5)] == [3.0, 9.0, 20.0, 20.0, 20.0]
    backoff.reset()
    assert backoff.next_delay_s() == 3.0


def test_devices_that_fail_together_do_not_come_back_together() -> None:
    devices = [Backoff(0.5, 30.0, random.Random(seed).random) for seed in range(50)]
    assert len({round(device.next_delay_s(), 6) for device in devices}) == 50


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_refuses_bounds_that_make_no_sense(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="minimum_s"):
        Backoff(*bounds, lambda: 0.0)
