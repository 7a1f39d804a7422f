"""What a microcontroller says, as occurrences and a state: told once, counted where it is lost, never invented."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edged.core.event import InferenceMade, McuBack, McuLost
from edged.mcu.burst import Burst
from edged.mcu.gateway import DAMAGED, RESTARTS, Gateway, Policy
from edged.mcu.reading import MAX_OUTPUTS, read_top
from edged.mcu.report import Bye, Health, Hello, Log, Report, Result, Unknown

SECOND_NS = 10**9
MODEL = bytes(range(8))
HELLO = Hello(1, "host", "1.2.0", "native", b"f" * 8, "2.0.0", "person", MODEL, 0, 5)
HEALTH = Health(5000, 5, 0, 1, 1, 2, 2, 80_000, 100_000, 3, 1500, 1700, 1, 2, 3, 4000, 9)


def result(number: int, data: bytes = b"\x80\x7f", **changes: Any) -> Result:
    made = Result(number, 0, 0, 0, 1, 9, 1 / 256, -128, 1500, 1000 * number, MODEL, len(data), data)
    return replace(made, **changes)


def gateway(**policy: Any) -> Gateway:
    made = Gateway("porch", Policy(**{"labels": ("nobody", "person"), **policy}), 0)
    made.opened()
    made.heard(HELLO, SECOND_NS)
    return made


def labels(found: Gateway, *results: Result) -> list[str]:
    events = [event for it in results for event in found.heard(it, SECOND_NS)]
    return [event.label for event in events if isinstance(event, InferenceMade)]


def test_a_result_becomes_an_event_at_its_arrival() -> None:
    (event,) = gateway().heard(result(1), 7 * SECOND_NS)
    assert event == InferenceMade(
        "porch", 1, "sensor", "person", 1, 255 / 256, (0.0, 255 / 256), 2, MODEL.hex(), "2.0.0", 1500, 1000, 7 * SECOND_NS
    )


def test_of_another_model_than_it_said_the_version_is_not_known() -> None:
    (event,) = gateway().heard(result(1, model_hash=b"x" * 8), 0)
    assert isinstance(event, InferenceMade)
    assert (event.model, event.model_version) == ((b"x" * 8).hex(), "")


def test_what_came_twice_is_told_once() -> None:
    found = gateway()
    assert labels(found, result(1), result(2), result(2)) == ["person"] * 2
    assert (found.state.counters.results, found.state.counters.repeated) == (2, 1)


def test_a_board_that_started_anew_counts_from_the_beginning() -> None:
    found = gateway()
    assert len(labels(found, result(1), result(2))) == 2
    found.heard(replace(HELLO, boots=6), SECOND_NS)
    assert len(labels(found, result(1))) == 1
    assert found.state.counters.restarts == 1


def test_a_start_whose_hello_was_lost_shows_by_the_time() -> None:
    found = gateway()
    assert len(labels(found, result(9), result(1))) == 2
    assert found.state.counters.restarts == 1
    found.heard(replace(HEALTH, boots=6), SECOND_NS)
    assert found.state.counters.restarts == 1, "that start was counted already"


def test_the_uptime_may_wrap() -> None:
    found = gateway()
    assert len(labels(found, result(9, uptime_ms=2**32 - 5), result(10, uptime_ms=20))) == 2
    assert found.state.counters.restarts == 0


def test_events_of_changes_alone() -> None:
    found = gateway(publish="change", min_score=0.6)
    person, nobody, doubtful = b"\x80\x7f", b"\x7f\x80", b"\x00\x01"
    told = labels(found, *(result(number, data) for number, data in enumerate([person, person, doubtful, nobody, person])))
    assert told == ["person", "nobody", "person"]
    assert labels(found, result(8, person, source=1)) == ["person"], "who asked is answered"


def test_what_is_no_result_is_counted() -> None:
    found = gateway()
    assert labels(found, result(1, status=3), result(2, dtype=77), result(3, total=900), result(4, b""), result(5, source=2)) == []
    assert (found.state.counters.failed, found.state.counters.unread, found.state.counters.results) == (1, 3, 3)


def test_lost_and_back_once() -> None:
    found = gateway()
    assert found.lost("gone", 2 * SECOND_NS) == McuLost("porch", "gone", 2 * SECOND_NS)
    assert found.lost("absent", 3 * SECOND_NS) is None
    assert (found.state.reason, found.state.since_ns) == ("absent", 2 * SECOND_NS)
    assert found.heard(HELLO, 5 * SECOND_NS) == (McuBack("porch", 3.0, 5 * SECOND_NS),)
    assert found.state.counters.losses == 1


def test_a_board_that_is_plugged_in_anew_has_not_restarted_by_itself() -> None:
    found = gateway()
    found.lost("gone", 0)
    found.opened()
    found.heard(replace(HELLO, boots=6), SECOND_NS)
    assert found.state.counters.restarts == 0


def test_what_crashes_and_takes_its_port_with_it_restarts_by_itself() -> None:
    found = gateway()
    for boots in range(6, 6 + RESTARTS):
        assert codes(found) == []
        found.lost("gone", SECOND_NS)
        found.opened()
        found.heard(replace(HELLO, boots=boots, reset_reason=2), SECOND_NS)
    assert codes(found) == ["mcu_restarting"]


def test_another_board_at_the_port_has_not_restarted() -> None:
    found = gateway()
    found.opened()
    found.heard(replace(HELLO, board="mps2-an385", boots=900, reset_reason=2), SECOND_NS)
    assert found.state.counters.restarts == 0


def test_a_restart_that_did_not_come_is_not_expected_for_ever() -> None:
    found = gateway()
    found.expect_restart()
    found.expect_restart(expected=False)
    for boots in range(6, 6 + RESTARTS):
        found.heard(replace(HELLO, boots=boots), SECOND_NS)
    assert codes(found) == ["mcu_restarting"]


def test_a_period_of_the_sensor_holds_until_the_next_start() -> None:
    found = gateway()
    found.samples(500)
    found.heard(replace(HELLO, boots=6), SECOND_NS)
    assert found.state.sample_ms is None


def test_what_a_self_test_found_was_of_the_start_before() -> None:
    found = gateway()
    found.heard(replace(HEALTH, self_test=2), SECOND_NS)
    found.state = replace(found.state, diagnosis="the arena is too small")
    found.heard(replace(HELLO, boots=6), SECOND_NS)
    assert (found.state.self_test, found.state.diagnosis) == ("not run", "")
    assert codes(found) == []


def codes(found: Gateway, now_ns: int = SECOND_NS) -> list[str]:
    return [code for code, _ in found.problems(now_ns)]


def test_problems() -> None:
    found = gateway()
    assert codes(found) == []
    found.heard(replace(HEALTH, self_test=2), SECOND_NS)
    assert codes(found) == ["mcu_self_test_failed"]
    found.heard(replace(HELLO, model_hash=bytes(8), model_name=""), SECOND_NS)
    assert "mcu_no_model" in codes(found)
    found.heard(replace(HELLO, mode=0), SECOND_NS)
    assert codes(found) == ["mcu_in_loader"]
    found.lost("gone", SECOND_NS)
    assert codes(found) == ["mcu_lost"]


def test_it_starts_again_and_again() -> None:
    found = gateway()
    for boots in range(6, 6 + RESTARTS):
        assert codes(found) == []
        found.heard(replace(HELLO, boots=boots), SECOND_NS)
    assert codes(found) == ["mcu_restarting"]
    assert codes(found, 3600 * SECOND_NS) == []


def test_starts_that_it_was_told_to_make_are_no_trouble() -> None:
    found = gateway()
    for boots in range(6, 16):
        found.expect_restart()
        found.heard(replace(HELLO, boots=boots), SECOND_NS)
    assert codes(found) == []
    assert found.state.counters.restarts == 10


def test_what_the_wire_lost_is_added_up_over_connections() -> None:
    found = gateway()
    found.wire(3, 2, 1, SECOND_NS)
    found.wire(3, 2, 1, SECOND_NS)
    found.opened()
    found.wire(DAMAGED, 0, 0, SECOND_NS)
    counters = found.state.counters
    assert (counters.damaged, counters.missed, counters.dropped) == (3 + DAMAGED, 2, 1)
    assert codes(found) == ["mcu_noisy"]


def test_burst_needs_so_many_within_the_span() -> None:
    burst = Burst(3, 10)
    for at_s in (0, 6, 12, 18):
        burst.note(at_s * SECOND_NS)
        assert not burst.holds(at_s * SECOND_NS)
    burst.note(20 * SECOND_NS)
    assert burst.holds(29 * SECOND_NS)
    assert not burst.holds(31 * SECOND_NS)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=200), st.floats(1e-3, 1), st.integers(-128, 127))
def test_quantised_numbers_are_read_as_the_formula_says(stored: list[int], scale: float, zero: int) -> None:
    top = read_top(struct.pack(f"{len(stored)}b", *stored), 9, scale, zero, ())
    assert top is not None
    assert top.score == scale * (max(stored) - zero)
    assert stored[top.index] == max(stored)
    assert (top.label, top.total, len(top.outputs)) == (str(top.index), len(stored), min(len(stored), MAX_OUTPUTS))


u8, u16, u32, i32 = st.integers(0, 255), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1)
text, hash8 = st.text(max_size=20), st.binary(min_size=8, max_size=8)
reports: st.SearchStrategy[Report] = st.one_of(
    st.builds(Hello, u8, text, text, text, hash8, text, text, hash8, u8, u32),
    st.builds(Result, u32, u8, u8, u8, u8, u8, st.floats(width=32), i32, u32, u32, hash8, u16, st.binary(max_size=40)),
    st.builds(Health, u32, u32, *[u8] * 5, *[u32] * 10),
    st.builds(Log, u8, text),
    st.builds(Bye, u8),
    st.builds(Unknown, u8, st.binary(max_size=20)),
)


@given(st.lists(reports, max_size=30))
def test_whatever_a_board_sends_is_counted_and_never_raises(sent: list[Report]) -> None:
    """Each report is counted; each inference becomes at most one event; every number of an event is one."""
    found = Gateway("porch", Policy(), 0)
    for number, report in enumerate(sent, 1):
        events = [event for event in found.heard(report, number) if isinstance(event, InferenceMade)]
        assert len(events) <= isinstance(report, Result)
        assert all(abs(value) < float("inf") for event in events for value in event.outputs)
    assert found.state.counters.reports == len(sent)
    list(found.problems(0))
