"""An accelerator that dies under the daemon, in every way that its library knows, and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accelerated import BACK, FELL, Bench, benched, changes, count, model_state, wait_for_cat, wait_for_changes
from support import Daemon, running, subscribed, wait_until


@pytest.fixture
def bench(test_data: Path, tmp_path: Path, build_library: Callable[[str, str], Path]) -> Iterator[Bench]:
    with benched(tmp_path, test_data, build_library("delegate.c", "libedgetpu.so.1")) as bench:
        yield bench


def test_an_edge_tpu_is_used_whenever_it_is_plugged_in_and_works(bench: Bench) -> None:
    bench.unplug()
    with subscribed(bench.port) as subscriber, running(bench.config(), root=bench.root) as daemon:
        wait_for_changes(subscriber, "xnnpack")
        assert "no Edge TPU is connected" in changes(subscriber)[0][1]
        bench.plug_in()
        wait_for_changes(subscriber, "xnnpack", "edgetpu")
        wait_for_cat(subscriber)
        subscriber.wait_until(lambda: model_state(subscriber)["delegate"] == "edgetpu", "state")
        assert model_state(subscriber)["fallback"] == ""
        bench.unplug()
        bench.control("invoke abort")
        wait_for_changes(subscriber, "xnnpack", "edgetpu", "xnnpack")
        wait_for_cat(subscriber)
        subscriber.wait_until(lambda: model_state(subscriber)["delegate"] == "xnnpack", "state")
        assert "SIGABRT" in model_state(subscriber)["fallback"]
        bench.control()
        bench.plug_in()
        wait_for_changes(subscriber, "xnnpack", "edgetpu", "xnnpack", "edgetpu")
        subscriber.wait_until(lambda: model_state(subscriber)["delegate"] == "edgetpu", "state")
        wait_for_cat(subscriber)
        assert (count(daemon, FELL), count(daemon, BACK)) == (1, 2)
        assert count(daemon, "the vision process ended") == 1  # going back was no death
        bench.control("invoke error")
        wait_for_changes(subscriber, "xnnpack", "edgetpu", "xnnpack", "edgetpu", "xnnpack")
        assert "bulk endpoint 1" in changes(subscriber)[-1][1]
        assert daemon.stop() == 0
        subscriber.wait_until(lambda: subscriber.messages[-1][1] == b"offline", "leave")
        assert len(subscriber.events("object_left")) == len(subscriber.events("object_appeared"))
        assert len({event["digest"] for event in subscriber.events("model_changed")}) == 1


def test_an_accelerator_that_kills_whoever_loads_it_leaves_the_daemon_on_the_cpu(bench: Bench) -> None:
    bench.control("create abort")
    with subscribed(bench.port) as subscriber, running(bench.config(), root=bench.root) as daemon:
        wait_for_changes(subscriber, "xnnpack")
        subscriber.wait_until(lambda: bool(subscriber.events("object_appeared")), "a cat on the CPU")
        assert daemon.stop() == 0
    assert count(daemon, "the vision process ended") == count(daemon, FELL) == 1


def test_a_demanded_accelerator_that_never_worked_ends_the_daemon_with_its_reason(bench: Bench) -> None:
    def ended(*faults: str) -> str:
        bench.control(*faults)
        daemon = Daemon(bench.config("edgetpu"), root=bench.root)
        daemon.start()
        assert daemon.wait()[0] == 1
        text = "\n".join(daemon.log)
        assert "Traceback" not in text
        return text

    assert "SIGABRT" in ended("create abort")
    assert "no firmware" in ended("create fail no firmware")


def test_a_camera_that_shares_nothing_with_the_accelerator_loses_only_the_restart(bench: Bench, test_data: Path) -> None:
    other = f"""
        [models.cpu]
        bundle = "{bench.directory / "ssd"}"
        delegate = "xnnpack"
        [cameras.yard]
        model = "cpu"
        file = {{ path = "{bench.directory / "cat.bmp"}", pace = "fast", loop = true }}
    """
    with subscribed(bench.port) as subscriber, running(bench.config(more=other), root=bench.root) as daemon:

        def cats_in_the_yard() -> int:
            return sum(event["camera"] == "yard" for event in subscriber.events("object_appeared"))

        subscriber.wait_until(lambda: cats_in_the_yard() == 1 and len(changes(subscriber)) == 2, "both serve")
        bench.control("invoke segfault")
        subscriber.wait_until(lambda: cats_in_the_yard() == 2, "the yard goes on")
        daemon.wait_for("trial of its accelerator: the trial was ended by SIGSEGV")
        assert daemon.stop() == 0
        assert cats_in_the_yard() == 2
        assert all(event["fallback"] == "" for event in subscriber.events("model_changed") if event["model_name"] == "cpu")
    assert count(daemon, "the vision process ended") == 1


def test_a_hung_accelerator_is_noticed_and_left(bench: Bench) -> None:
    with subscribed(bench.port) as subscriber, running(bench.config(), root=bench.root) as daemon:
        wait_for_changes(subscriber, "edgetpu")
        bench.control("invoke hang")
        wait_for_changes(subscriber, "edgetpu", "xnnpack")
        vision = daemon.vision_pid
        assert daemon.stop() == 0
        wait_until(lambda: not Path(f"/proc/{vision}").exists(), "no process is left behind")
    assert count(daemon, "frames wait and none is inferred") == 1
