"""Other settings while an accelerator is dead, dies over them, or is tried: the daemon goes on, and says what cannot be had."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accelerated import BACK, FELL, Bench, benched, changes, count, model_state, wait_for_changes
from support import Daemon, children_running, running, subscribed, wait_until


@pytest.fixture
def bench(test_data: Path, tmp_path: Path, build_library: Callable[[str, str], Path]) -> Iterator[Bench]:
    with benched(tmp_path, test_data, build_library("delegate.c", "libedgetpu.so.1")) as bench:
        yield bench


def another(bench: Bench, delegate: str = "auto") -> str:
    """A second model on the same device, and its camera."""
    return f"""
        [models.other]
        bundle = "{bench.directory / "ssd"}"
        delegate = "{delegate}"
        edgetpu = {{ library = "{bench.library}" }}
        [cameras.yard]
        model = "other"
        file = {{ path = "{bench.directory / "cat.bmp"}", pace = "fast", loop = true }}
    """


def trial_of(daemon: Daemon) -> int | None:
    """The process in which an accelerator is tried now."""
    return next(iter(children_running(daemon.pid, "edged.infer.trial")), None)


def test_a_model_that_comes_to_a_dead_accelerator_serves_on_the_cpu_and_goes_back_with_the_others(bench: Bench) -> None:
    bench.control("create abort")
    with subscribed(bench.port) as subscriber, running(bench.config(), root=bench.root) as daemon:
        wait_for_changes(subscriber, "xnnpack")
        daemon.wait_for("ready")
        vision = daemon.vision_pid
        assert bench.reload(more=another(bench)) == (0, "reloaded: models.other added, cameras.yard added\n")
        wait_for_changes(subscriber, "xnnpack", "xnnpack")
        assert "SIGABRT" in changes(subscriber)[1][1]
        assert daemon.vision_pid == vision
        bench.control()
        wait_for_changes(subscriber, "xnnpack", "xnnpack", "edgetpu", "edgetpu")
        assert daemon.stop() == 0
    assert (count(daemon, FELL), count(daemon, BACK), count(daemon, "the vision process ended")) == (1, 1, 1)


def test_an_accelerator_that_kills_who_begins_with_it_is_avoided_by_the_next_attempt(bench: Bench) -> None:
    bench.control("create abort")
    with subscribed(bench.port) as subscriber, running(bench.config("xnnpack"), root=bench.root) as daemon:
        wait_for_changes(subscriber, "xnnpack")
        daemon.wait_for("ready")
        status, said = bench.reload()
        assert (status, "died over it (killed by SIGABRT)" in said) == (1, True)
        assert bench.reload() == (0, "reloaded: models.ssd changed\n")
        subscriber.wait_until(lambda: "SIGABRT" in model_state(subscriber)["fallback"], "the reason")
        bench.control()
        wait_for_changes(subscriber, "xnnpack", "edgetpu")
        assert daemon.stop() == 0
    assert count(daemon, "the vision process ended") == 1


def test_an_accelerator_that_does_not_work_cannot_be_demanded_by_a_reload_until_it_does(bench: Bench) -> None:
    bench.control("create abort")
    with subscribed(bench.port) as subscriber, running(bench.config(), root=bench.root) as daemon:
        wait_for_changes(subscriber, "xnnpack")
        daemon.wait_for("ready")
        vision = daemon.vision_pid
        status, said = bench.reload("edgetpu")
        assert status == 1
        assert "models.ssd: its accelerator cannot be used now: killed by SIGABRT" in said
        assert 'set delegate = "auto"' in said
        assert daemon.vision_pid == vision
        bench.control()
        wait_for_changes(subscriber, "xnnpack", "edgetpu")
        daemon.wait_for("reload refused")
        assert bench.reload("edgetpu") == (0, "reloaded: models.ssd changed\n")
        bench.control("invoke abort")
        wait_for_changes(subscriber, "xnnpack", "edgetpu", "xnnpack")  # better slow than blind
        assert bench.reload("edgetpu", another(bench)) == (0, "reloaded: models.other added, cameras.yard added\n")
        assert daemon.stop() == 0


def test_a_reload_takes_a_model_away_while_its_accelerator_is_tried(bench: Bench) -> None:
    with subscribed(bench.port) as subscriber, running(bench.config(more=another(bench)), root=bench.root) as daemon:
        wait_for_changes(subscriber, "edgetpu", "edgetpu")
        bench.control("invoke hang")  # the inference, and then the trial
        wait_until(lambda: trial_of(daemon) is not None, "a trial")
        trial = trial_of(daemon)
        assert bench.reload("xnnpack") == (0, "reloaded: models.ssd changed, models.other removed, cameras.yard removed\n")
        assert trial
        os.kill(trial, signal.SIGKILL)
        daemon.wait_for("trial of its accelerator: the trial was ended by SIGKILL")
        bench.control()
        assert bench.reload() == (0, "reloaded: models.ssd changed\n")
        subscriber.wait_until(lambda: changes(subscriber)[-1][0] == "edgetpu", "the accelerator")
        assert daemon.stop() == 0
    assert not any("Traceback" in line for line in daemon.log)
