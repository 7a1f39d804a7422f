"""What is said of the device's health fits its schema, and speaks of the time since the report before."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import jsonschema
from observed import at, camera, counters, latency

from edged.core.clock import ClockReading
from edged.core.problem import PROBLEMS
from edged.daemon.condition import Condition
from edged.daemon.machine import Machine, ProcessUse
from edged.daemon.observation import CameraObservation, Observation, ProcessTally
from edged.daemon.report import report
from edged.mqtt.payload import json_schema
from edged.mqtt.wire import encode
from edged.store.outbox import Queued


def said(now: Observation, before: Observation | None = None) -> dict[str, Any]:
    condition = Condition()
    condition.note(now)
    found: dict[str, Any] = json.loads(encode(report(now, before, condition)))
    jsonschema.validate(found, json_schema()["health"])
    return found


def test_first_report_speaks_of_the_time_since_the_start() -> None:
    found = said(at(11))
    assert (found["status"], found["uptime_s"], found["problems"]) == ("ok", 10, [])
    assert found["time"] == "2025-06-15T15:06:51.000Z"
    (door,) = found["cameras"]
    assert door["inferred_hz"] == 7.8
    assert door["reported_ms"]["p50"] == 40
    assert found["events"] == {"committed": 9, "waiting": 1, "lost": 0}
    assert found["outbox"]["oldest_s"] == 12.3
    assert found["processes"][0] == {"process": "main", "rss_mb": 40.0, "cpu_percent": 0.0, "threads": 4, "fds": 20}
    assert found["machine"] == {"temperatures_c": {"cpu-thermal": 51.2}, "throttled": [], "disk_free_mb": 5000}


def test_later_report_speaks_of_the_time_since_the_one_before() -> None:
    before = at(11)
    then = counters(inferred=178, reported_age=counters().reported_age + latency(*[300] * 10))
    uses = {"main": ProcessUse(2.0, 1, 1, 1, 7), "vision": ProcessUse(9.0, 1, 1, 1, 9)}
    found = said(at(21, cameras=(CameraObservation(camera().state, then),), processes=uses), before)
    (door,) = found["cameras"]
    assert door["inferred_hz"] == 10.0
    assert 200 < door["reported_ms"]["p50"] <= 300
    assert door["decoded_ms"] == {"p50": None, "p95": None, "p99": None}
    assert [use["cpu_percent"] for use in found["processes"]] == [5.0, 0.0]


def test_a_process_that_was_away_is_charged_for_the_span_alone() -> None:
    tally, main = ProcessTally(), ProcessUse(2.0, 1, 1, 1, 7)
    observed = [
        at(second, processes=tally.note({"main": main, **({"vision": vision} if vision else {})}))
        for second, vision in ((11, ProcessUse(600.0, 10**8, 8, 6, 9)), (41, None), (71, ProcessUse(6.0, 10**8, 8, 6, 10)))
    ]
    away, back = (said(now, before)["processes"][1] for before, now in pairwise(observed))
    assert away == {"process": "vision", "rss_mb": 0.0, "cpu_percent": 0.0, "threads": 0, "fds": 0}
    assert (back["cpu_percent"], back["rss_mb"]) == (20.0, 100.0)
    assert [now.processes["vision"].cpu_s for now in observed] == [600.0, 600.0, 606.0]  # no counter goes, or goes back


def test_a_process_that_was_never_there_is_not_told_of() -> None:
    assert ProcessTally().note({"main": ProcessUse(2.0, 1, 1, 1, 7)}).keys() == {"main"}


def test_problem_says_what_it_means_and_what_to_do() -> None:
    (problem,) = said(at(11, cameras=(camera(), camera("yard", "lost", "cable"))))["problems"]
    assert problem == {
        "code": "camera_lost",
        "severity": "degraded",
        "subject": "yard",
        "meaning": PROBLEMS["camera_lost"].meaning,
        "detail": "cable",
        "fix": PROBLEMS["camera_lost"].fix,
        "since": "2025-06-15T15:06:51.000Z",
    }


def test_what_is_not_known_is_null() -> None:
    found = said(at(11, machine=Machine(), outbox_age_s=None, cameras=(CameraObservation(camera().state, None),), broker=None))
    assert found["machine"] == {"temperatures_c": {}, "throttled": None, "disk_free_mb": None}
    assert found["outbox"]["oldest_s"] is None
    assert found["cameras"][0]["captured"] == 0


def test_age_of_the_outbox_needs_one_clock() -> None:
    now = ClockReading(0, 1000 * 10**9, "synchronised")
    assert Queued(990_500, "synchronised").age_s(now) == 9.5
    assert Queued(2_000_000, "synchronised").age_s(now) == 0.0
    assert Queued(5, "unsynchronised").age_s(now) is None
    assert Queued(990_500, "unsynchronised").age_s(replace(now, quality="unsynchronised")) == 9.5
