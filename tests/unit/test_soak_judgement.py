"""What a soak concludes from what it saw."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soak.chart import draw
from soak.growth import growth, slope
from soak.judgement import Finding, drift_mb_per_h, judge
from soak.process import Sample
from soak.reading import Counts, Reading, parse
from soak.record import Ledger, Record, Rest
from soak.shares import Window, fair_shares, fairness
from soak.tables import processes

demands = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1e6), min_size=1)


@given(st.floats(0, 1e6), demands)
def test_fair_shares_are_max_min_fair(total: float, demands: dict[str, float]) -> None:
    shares = fair_shares(total, demands)
    assert sum(shares.values()) == pytest.approx(min(total, sum(demands.values())), abs=1e-3)
    short = {name for name in demands if shares[name] < demands[name] * (1 - 1e-9) - 1e-6}
    for name, share in shares.items():
        assert share <= demands[name]
        assert all(share <= shares[other] * (1 + 1e-9) + 1e-6 for other in short)  # nobody has more than who is short


def test_fairness_is_about_those_who_ask() -> None:
    assert fairness([Window({"a": 30, "b": 30}, {"a": 15, "b": 15})]) == 1
    assert fairness([Window({"a": 30, "b": 30}, {"a": 20, "b": 10})]) == pytest.approx(0.5)
    assert fairness([Window({"a": 30, "b": 30}, {"a": 30, "b": 0})]) == 0
    assert fairness([Window({"a": 30, "b": 5}, {"a": 15, "b": 5})]) == 1  # b wants no more
    assert fairness([Window({"a": 30, "b": 5}, {"a": 18, "b": 2})]) == pytest.approx(0.4 / 1.2)
    assert fairness([Window({"a": 30, "b": 0}, {"a": 20, "b": 0})]) == 1
    assert fairness([Window({"a": 10, "b": 10}, {"a": 10, "b": 10})]) is None
    assert fairness([Window({"a": 30, "b": 30}, {"a": 19, "b": 11}), Window({"a": 30, "b": 30}, {"a": 11, "b": 19})]) == 1


def test_slope_is_not_moved_by_outliers() -> None:
    flat = [(float(n), 100.0 if n % 4 else 300.0) for n in range(100)]
    assert slope(flat) == 0
    assert slope([(x, y + 0.5 * x) for x, y in flat]) == pytest.approx(0.5, rel=0.05)
    assert slope([(1.0, 5.0)]) == slope([(1.0, 5.0), (1.0, 6.0)]) == 0


def test_growth_is_between_the_halves() -> None:
    assert growth([20, 20, 21, 20]) < 1
    assert growth([20, 21, 22, 23]) >= 1
    assert growth([20]) == growth([]) == 0


def counted(captured: int, inferred: int) -> Counts:
    cpu_s = {"capture": captured * 0.001, "invoke": inferred * 0.02}
    return Counts(captured, inferred, captured - inferred, 0, 0, cpu_s, ages_s=inferred * 0.04)


def soaked(*, fds: float = 0, threads: float = 0, mb_per_h: float = 0, unfair: float = 0, seconds: int = 900) -> Record:
    """A record with a trouble in each minute; it leaks so many descriptors or threads at each, and memory all the time."""
    record = Record(0.0, float(seconds), ledger=Ledger(10, 10, 0, 0))
    kinds = ("camera", "broker", "reload")
    for at_s in range(0, seconds, 60):
        after = kinds[at_s // 60 % 3]
        record.troubles.append((float(at_s), after))
        record.rests.append(Rest(after, at_s + 10.0, at_s + 59.5))
    for at_s in range(seconds):
        trouble = at_s // 60
        for process in ("main", "vision"):
            wide = (int(20 + fds * trouble), int(8 + threads * trouble)) if at_s % 60 >= 10 else (99, 99)
            record.samples.append(Sample(process, 1, at_s, 100 + mb_per_h * at_s / 3600, 90, *wide, 0.2 * at_s))
        inferred = {"gate": 20 - unfair, "hall": 20 + unfair}
        record.readings.append(Reading(at_s, {name: counted(30 * at_s, int(hz * at_s)) for name, hz in inferred.items()}, 0))
    return record


def broken(record: Record) -> set[str]:
    return {finding.what for finding in judge(record) if not finding.kept}


def test_a_sound_soak_keeps_every_promise() -> None:
    record = soaked()
    assert broken(record) == set()
    assert {finding.measured for finding in judge(record)} >= {"20 -> 20 over 13 rests", "1.000", "100%"}


def test_leaks_are_seen() -> None:
    assert broken(soaked(fds=0.5)) == {"main: fds at rest", "vision: fds at rest"}
    assert broken(soaked(threads=1)) == {"main: threads at rest", "vision: threads at rest"}
    assert broken(soaked(mb_per_h=5)) == {"main: memory in the second half", "vision: memory in the second half"}
    assert drift_mb_per_h(soaked(mb_per_h=5), "main") == pytest.approx(5)
    assert broken(soaked(mb_per_h=3)) == set()
    assert broken(soaked(mb_per_h=50, seconds=500)) == set()  # too short to tell caches that fill from leaks
    assert broken(soaked(fds=1, seconds=360)) == {"main: fds at rest", "vision: fds at rest"}


def test_one_camera_that_gets_less_is_seen() -> None:
    assert broken(soaked(unfair=2)) == set()  # 18 to 22
    assert broken(soaked(unfair=4)) == {"fairness between the cameras"}


def test_cameras_that_need_not_share_prove_nothing() -> None:
    record = soaked()
    record.readings = [Reading(float(n), dict.fromkeys(("gate", "hall"), counted(20 * n, 20 * n)), 0) for n in range(900)]
    assert broken(record) == {"time in which more frames came than were inferred", "fairness between the cameras"}


def test_what_was_not_delivered_or_died_is_seen() -> None:
    record = soaked()
    record.ledger, record.exit_status = Ledger(10, 8, 1, 1), 1
    record.readings.append(Reading(900, record.readings[-1].cameras, vision_restarts=1))
    assert broken(record) == {"the outbox at the end", "deaths of the vision process", "exit status after SIGTERM"}
    assert Finding("the outbox at the end", "10 events, 8 delivered, 1 dropped, 1 queued", "all delivered", False) in judge(record)


def test_a_page_of_metrics_is_read() -> None:
    page = """
        # TYPE edged_vision_restarts counter
        edged_vision_restarts_total 2.0
        # TYPE edged_camera_frames_captured counter
        edged_camera_frames_captured_total{camera="gate"} 10.0
        # TYPE edged_camera_frames_inferred counter
        edged_camera_frames_inferred_total{camera="gate"} 7.0
        # TYPE edged_camera_frames_dropped counter
        edged_camera_frames_dropped_total{camera="gate"} 2.0
        # TYPE edged_camera_frames_damaged counter
        edged_camera_frames_damaged_total{camera="gate"} 1.0
        # TYPE edged_camera_frames_late counter
        edged_camera_frames_late_total{camera="gate"} 4.0
        # TYPE edged_camera_cpu_seconds counter
        edged_camera_cpu_seconds_total{camera="gate",stage="invoke"} 0.5
        # TYPE edged_camera_frame_age_seconds histogram
        edged_camera_frame_age_seconds_bucket{camera="gate",stage="inferred",le="+Inf"} 7.0
        edged_camera_frame_age_seconds_count{camera="gate",stage="inferred"} 7.0
        edged_camera_frame_age_seconds_sum{camera="gate",stage="inferred"} 0.7
    """
    text = "\n".join(line.strip() for line in page.strip().splitlines()) + "\n"
    assert parse(text, 5.0) == Reading(5.0, {"gate": Counts(10, 7, 2, 1, 4, {"invoke": 0.5}, 0.7)}, 2)


def test_what_happened_before_the_first_rest_does_not_count() -> None:
    record = soaked(seconds=300)
    gate = record.over_all()["gate"]
    assert (record.observed_s, gate.captured, gate.inferred, gate.dropped) == (289, 30 * 289, 20 * 289, 10 * 289)
    assert gate.cpu_s["invoke"] == pytest.approx(0.02 * 20 * 289)
    assert len(list(record.windows())) == 5 * 49


def test_cameras_have_no_counters_before_the_first_heartbeat_and_keep_them_after_it() -> None:
    record = soaked(seconds=300)
    sound = list(record.windows())
    for place in range(13):  # the first rest begins with frames, which come before a heartbeat
        names = ("hall",) if place == 12 else ()
        before = record.readings[place]
        record.readings[place] = Reading(before.at_s, {name: before.cameras[name] for name in names}, 0)
    assert list(record.windows()) == sound[3:]
    assert (record.observed_s, record.over_all()["gate"].captured) == (286, 30 * 286)
    assert broken(record) == set()
    record.readings[100] = Reading(100, {}, 0)
    with pytest.raises(KeyError, match="gate"):
        list(record.windows())


def test_processes_and_chart_show_the_record() -> None:
    record = soaked(mb_per_h=400)
    main = processes(record)["main"]
    assert main.cpu == pytest.approx(0.2)
    assert main.peak_rss_mb == pytest.approx(100 + 400 * 899 / 3600)
    assert main.rss_mb < main.peak_rss_mb
    picture = ET.fromstring(draw(record))
    lines = [
        [float(y) for y in (p.split(",")[1] for p in line.get("points", "").split())]
        for line in picture.iter()
        if line.get("points")
    ]
    assert len(lines) == 2
    assert all(line[0] > line[-1] > 0 for line in lines)  # upwards is less
