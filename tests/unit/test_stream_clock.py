"""When a picture was taken, judged from when it came; with a network of any kind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.sources.stream_clock import BEHIND_NS, MAX_DELAY_NS, WAITED_NS, Backlog, CaptureClock, Playout

MS = 1_000_000
START = 7_000_000 * MS
"""CLOCK_MONOTONIC at which the first picture came."""


def captured(pictures: list[tuple[int, int]]) -> list[int]:
    """For pictures as (position, arrival), both in ms, when each was taken."""
    clock = CaptureClock()
    return [(clock.captured_ns(position * MS, START + arrival * MS) - START) // MS for position, arrival in pictures]


def test_delays_of_the_network_are_taken_off() -> None:
    assert captured([(0, 0), (40, 40), (80, 150), (120, 160), (160, 160)]) == [0, 40, 80, 120, 160]


def test_the_quickest_picture_is_the_measure() -> None:
    assert captured([(0, 300), (500, 510), (1000, 1000), (1500, 1600)]) == [300, 510, 1000, 1500]


def test_a_camera_whose_clock_is_slow_is_followed() -> None:
    slow = captured([(n * 40 * 999 // 1000, n * 40) for n in range(25 * 60)])  # 1 per mille: 60 ms in a minute
    assert 0 <= 25 * 60 * 40 - 40 - slow[-1] <= 25


def test_a_clock_that_is_set_begins_anew() -> None:
    assert captured([(50_000, 0), (50_040, 40), (0, 80), (40, 120), (90_000, 160), (90_040, 200)]) == [0, 40, 80, 120, 160, 200]


def test_a_clock_that_runs_wrong_is_not_believed() -> None:
    wrong = captured([(n * 10, n * 40) for n in range(2000)])  # a quarter of real time
    assert all(0 <= n * 40 - at <= MAX_DELAY_NS // MS for n, at in enumerate(wrong))


def test_without_positions_arrival_counts() -> None:
    clock = CaptureClock()
    assert [clock.captured_ns(None, START + n) for n in (5, 9)] == [START + 5, START + 9]


@given(st.lists(st.tuples(st.integers(-(1 << 50), 1 << 50) | st.none(), st.integers(1, 20_000)), max_size=60))
def test_times_grow_and_are_never_ahead(pictures: list[tuple[int | None, int]]) -> None:
    clock, arrived, last = CaptureClock(), START, 0
    for position_ns, later_ms in pictures:
        arrived += later_ms * MS
        at = clock.captured_ns(position_ns, arrived)
        assert last < at <= arrived
        assert arrived - at <= 2 * MAX_DELAY_NS
        last = at


def test_what_was_kept_for_us_is_old_and_what_we_waited_for_is_not() -> None:
    backlog = Backlog()
    assert backlog.note(0, 0)
    assert backlog.note(5 * MS, 5 * MS)
    assert not backlog.note(6 * MS, 6 * MS + WAITED_NS)


def test_a_burst_is_no_backlog_but_never_waiting_is() -> None:
    backlog = Backlog()
    assert not backlog.note(0, WAITED_NS)
    assert not backlog.note(BEHIND_NS, BEHIND_NS)
    assert backlog.note(WAITED_NS + BEHIND_NS + 1, WAITED_NS + BEHIND_NS + 1)
    assert not backlog.note(2 * BEHIND_NS, 2 * BEHIND_NS + WAITED_NS)


def test_parts_of_a_playlist_are_played_at_their_pace() -> None:
    playout = Playout()
    due = [playout.due_ns(START + position * MS, now * MS) // MS for position, now in ((0, 10), (40, 11), (80, 50), (120, 200))]
    assert due == [10, 50, 90, 200]


def test_an_interrupted_playlist_begins_a_new_count() -> None:
    playout = Playout()
    steps = ((0, 0), (40, 3000), (80, 3001), (999_999, 3100), (1_000_039, 3101))
    assert [playout.due_ns(position * MS, now * MS) // MS for position, now in steps] == [0, 3000, 3040, 3100, 3140]


def test_a_picture_without_a_position_is_due_at_once() -> None:
    assert Playout().due_ns(None, 5) == 5
