"""What is wrong is named, since when; what is over is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from observed import SECOND_NS, at, camera, model

from edged.core.clock import ClockReading
from edged.core.problem import ProblemCode
from edged.daemon.condition import HELD_S, LEAST_FREE_BYTES, Condition
from edged.daemon.machine import Machine, Throttling
from edged.store.outbox import OutboxCounts


def test_all_is_well() -> None:
    condition = Condition()
    assert condition.note(at(10))  # the first judgement is news
    assert (condition.status, condition.problems, condition.since_ns) == ("ok", (), 10 * SECOND_NS)
    assert not condition.note(at(20))
    assert condition.since_ns == 10 * SECOND_NS


@pytest.mark.parametrize(
    ("change", "codes", "status"),
    [
        ({"cameras": (camera("door"), camera("yard", "lost", "no frame"))}, ["camera_lost"], "degraded"),
        ({"cameras": (camera("door", "lost"),)}, ["no_camera", "camera_lost"], "failing"),
        ({"cameras": (camera("door", "lost"), camera("clip", "ended"))}, ["no_camera", "camera_lost"], "failing"),
        ({"cameras": (camera("door", "starting"), camera("clip", "ended"))}, [], "ok"),
        ({"vision_failing": True}, ["vision_restarting"], "failing"),
        ({"models": (model(fallback="no Edge TPU is connected"),)}, ["accelerator_fallback"], "degraded"),
        ({"stuck": True}, ["inference_stuck"], "failing"),
        ({"store_full": True, "events_lost": 3}, ["store_full"], "failing"),
        ({"machine": Machine(disk_free_bytes=LEAST_FREE_BYTES - 1)}, ["disk_low"], "degraded"),
        ({"machine": Machine(throttling=Throttling(("undervoltage",), ()))}, ["undervoltage"], "degraded"),
        ({"machine": Machine(throttling=Throttling(("frequency_capped", "throttled"), ()))}, ["throttled"], "degraded"),
        ({"machine": Machine(throttling=Throttling((), ("undervoltage",)))}, [], "ok"),
        ({"clock": ClockReading(5, 5, "unsynchronised")}, ["clock_unsynchronised"], "degraded"),
        ({"reload_refusal": "edged.toml:3: no"}, ["reload_refused"], "degraded"),
        ({"broker": None}, [], "ok"),  # events wait in the store: that is what it is for
    ],
)
def test_each_problem_has_its_code_and_status(change: dict[str, Any], codes: list[ProblemCode], status: str) -> None:
    condition = Condition()
    condition.note(at(10, **change))
    assert [problem.code for problem in condition.problems] == codes
    assert condition.status == status


def test_detail_says_what_is_known() -> None:
    condition = Condition()
    condition.note(at(10, cameras=(camera("door"), camera("yard", "lost", "no frame for 5 s"))))
    (problem,) = condition.problems
    assert (problem.subject, problem.detail) == ("yard", "no frame for 5 s")


def test_problem_keeps_its_beginning_and_what_comes_beside_it_is_news() -> None:
    condition = Condition()
    lost = (camera("door"), camera("yard", "lost"), camera("gate"))
    assert condition.note(at(10, cameras=lost))
    assert not condition.note(at(20, cameras=lost))
    more = (camera("door"), camera("yard", "lost"), camera("gate", "lost"))
    assert condition.note(at(30, cameras=more))
    assert {p.subject: p.since_ns for p in condition.problems} == {"yard": 10 * SECOND_NS, "gate": 30 * SECOND_NS}
    assert condition.since_ns == 10 * SECOND_NS  # degraded all the time
    assert condition.note(at(40))
    assert (condition.status, condition.since_ns) == ("ok", 40 * SECOND_NS)
    condition.note(at(50, cameras=lost))
    assert condition.problems[0].since_ns == 50 * SECOND_NS


def test_events_dropped_are_a_problem_from_the_first_on_and_for_a_while() -> None:
    condition, dropped = Condition(), replace(at(0).outbox, dropped=5)
    condition.note(at(0, outbox=dropped))
    assert condition.problems == ()  # of an earlier life
    condition.note(at(10, outbox=OutboxCounts(9, 2, 6, 1)))
    assert [problem.code for problem in condition.problems] == ["store_dropping"]
    condition.note(at(10 + HELD_S - 1, outbox=OutboxCounts(9, 2, 6, 1)))
    assert condition.problems[0].since_ns == 10 * SECOND_NS
    condition.note(at(11 + HELD_S, outbox=OutboxCounts(9, 2, 6, 1)))
    assert condition.problems == ()
