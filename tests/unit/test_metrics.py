"""The page that Prometheus reads: it parses, says what is true, and is what the documentation lists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from observed import at, camera, counters, latency, model
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from edged.config.consistency import inconsistencies
from edged.config.schema import Settings
from edged.core.problem import PROBLEMS, ProblemCode
from edged.daemon.condition import Condition
from edged.daemon.metrics import families
from edged.daemon.observation import CameraObservation, Observation
from edged.web.exposition import render
from edged.web.settings import MetricsSettings, parse_listen

ROOT = Path(__file__).resolve().parents[2]


def page(observation: Observation) -> str:
    condition = Condition()
    condition.note(observation)
    return render(families(observation, condition)).decode()


def samples(observation: Observation) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and the values of the labels, in the order of the labels' names."""
    found = {}
    for family in text_string_to_metric_families(page(observation)):
        for sample in family.samples:
            key = (sample.name, tuple(value for _, value in sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


EVERYTHING = at(11, cameras=(camera(), camera("yard", "lost")))


def test_page_says_what_was_observed() -> None:
    found = samples(EVERYTHING)
    assert found["edged_camera_frames_captured_total", ("door",)] == 100
    assert found["edged_camera_cpu_seconds_total", ("door", "track")] == 0.04
    assert found["edged_camera_state", ("yard", "lost")] == 1
    assert found["edged_camera_state", ("yard", "online")] == 0
    assert found["edged_problem", ("camera_lost", "degraded", "yard")] == 1
    assert found["edged_health", ("degraded",)] == 1
    assert found["edged_outbox_oldest_age_seconds", ()] == 12.34
    assert found["edged_process_resident_memory_bytes", ("vision",)] == 100e6
    assert found["edged_temperature_celsius", ("cpu-thermal",)] == 51.25
    assert found["edged_throttled", ("undervoltage",)] == 0


def test_histogram_has_cumulative_buckets_in_seconds_and_their_sum() -> None:
    seen = counters(reported_age=latency(0.5, 30, 40, 99_999))
    found = samples(at(11, cameras=(CameraObservation(camera().state, seen),)))
    name = "edged_camera_frame_age_seconds"
    assert found[f"{name}_bucket", ("door", "0.001", "reported")] == 1
    assert found[f"{name}_bucket", ("door", "0.03", "reported")] == 2
    assert found[f"{name}_bucket", ("door", "10.0", "reported")] == 3
    assert found[f"{name}_bucket", ("door", "+Inf", "reported")] == found[f"{name}_count", ("door", "reported")] == 4
    assert found[f"{name}_sum", ("door", "reported")] == pytest.approx(100.0695)


def test_labels_that_a_model_brings_cannot_forge_lines() -> None:
    version = 'a"} 1\nedged_ready 0\n\\'
    found = samples(at(11, models=(model(version=version),)))
    assert found["edged_ready", ()] == 1
    assert any(version in labels for name, labels in found if name == "edged_model_info")


def test_what_is_absent_is_left_out() -> None:
    bare = at(11, broker=None, outbox_age_s=None, cameras=(CameraObservation(camera().state, None),))
    names = {name for name, _ in samples(replace(bare, machine=replace(bare.machine, throttling=None)))}
    assert not any(name.startswith(("edged_mqtt", "edged_throttled", "edged_outbox_oldest")) for name in names)


def documented(family: Metric) -> str:
    name = family.name + ("_total" if family.type == "counter" else "")
    sample = max(family.samples, key=lambda sample: len(sample.labels))
    labels = ", ".join(label for label in sample.labels if label != "le")
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def test_every_metric_is_in_the_list() -> None:
    condition = Condition()
    condition.note(EVERYTHING)
    lines = [documented(family) for family in families(EVERYTHING, condition)]
    text = (ROOT / "edged/web/DESIGN.md").read_text()
    listed = [line for line in text.splitlines() if line.startswith("| `edged_")]
    assert listed == lines, "edged/web/DESIGN.md should list:\n" + "\n".join(lines)


def test_every_problem_is_in_the_list() -> None:
    assert PROBLEMS.keys() == set(get_args(ProblemCode))
    lines = [f"| `{code}` | {it.severity} | {it.meaning} | {it.fix} |" for code, it in PROBLEMS.items()]
    text = (ROOT / "edged/daemon/DESIGN.md").read_text()
    listed = [line for line in text.splitlines() if "| degraded |" in line or "| failing |" in line]
    assert listed == lines, "edged/daemon/DESIGN.md should list:\n" + "\n".join(lines)


@pytest.mark.parametrize(
    ("listen", "parsed"),
    [("127.0.0.1:9469", ("127.0.0.1", 9469)), ("[::1]:80", ("::1", 80)), ("pi.local:1", ("pi.local", 1))],
)
def test_address_to_listen_on(listen: str, parsed: tuple[str, int]) -> None:
    assert parse_listen(listen) == parsed


@pytest.mark.parametrize("listen", ["9469", ":9469", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "a b:1", "[::1]"])
def test_address_that_is_none_is_a_problem_of_the_configuration(listen: str) -> None:
    (problem,) = inconsistencies(Settings(metrics=MetricsSettings(listen=listen)), ())
    assert problem.path == ("metrics", "listen")
    assert listen in problem.text
