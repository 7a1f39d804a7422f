"""A model is updated over a real broker: good ones are confirmed, others refused or gone back from, and events flow on."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import running, subscribed, wait_until
from updating import Publisher, Watcher, write_config

from edged.testing import hostile
from edged.testing.broker import Mosquitto
from edged.testing.candidates import (
    blind,
    failing_when_bright,
    hanging_when_bright,
    not_finite_when_bright,
    slow,
    sound,
    write_candidate,
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker", options="max_queued_messages 0") as mosquitto:
        yield mosquitto


@pytest.fixture
def publisher(broker: Mosquitto, tmp_path: Path) -> Publisher:
    return Publisher(tmp_path, broker.port)


def test_pushed_swapped_confirmed_and_what_is_worse_gone_back_from(tmp_path: Path, broker: Mosquitto, publisher: Publisher) -> None:
    config = write_config(tmp_path, broker.port, f'root = "{publisher.root}"')
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        watcher = Watcher(subscriber)
        watcher.flows()
        good = publisher.push(slow(1))
        watcher.wait_for("confirmed", sequence=good)
        steps = [f"{good} {state} ok" for state in ("queued", "downloading", "verified", "testing", "trial", "confirmed")]
        subscriber.wait_until(lambda: watcher.states() == steps, "not all steps are told")
        assert watcher.model() == "1.0"
        vision_pid = daemon.vision_pid

        watcher.wait_for("reverted", "output_not_finite", publisher.push(not_finite_when_bright()))
        watcher.wait_for("reverted", "slow", publisher.push(slow(120)))
        watcher.wait_for("rejected", "crashed", publisher.push(hostile.crashing()))
        watcher.flows()
        assert watcher.model() == "1.0"
        assert daemon.vision_pid == vision_pid, "all of that between two frames"

        watcher.wait_for("reverted", "crashed", publisher.push(failing_when_bright()))
        watcher.flows()
        assert watcher.model() == "1.0"
        watcher.wait_for("confirmed", sequence=publisher.push(sound()))
        assert watcher.model() == "6.0"
        assert daemon.stop() == 0


def test_a_trial_that_hangs_or_is_killed_is_gone_back_from(tmp_path: Path, broker: Mosquitto, publisher: Publisher) -> None:
    config = write_config(tmp_path, broker.port, f'root = "{publisher.root}"', window_s=60)
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        watcher = Watcher(subscriber)
        watcher.flows()
        publisher.push(sound())
        watcher.wait_for("trial")
        wait_until(lambda: watcher.model() == "1.0", "it does not serve")
        vision_pid = daemon.vision_pid
        assert vision_pid
        subprocess.run(["kill", "-KILL", str(vision_pid)], check=True)  # as the kernel does when memory runs out
        watcher.wait_for("reverted", "crashed", 1)
        watcher.flows()
        watcher.wait_for("reverted", "hung", publisher.push(hanging_when_bright()))
        watcher.flows()


def test_killed_in_its_trial_the_next_start_serves_what_served_before(
    tmp_path: Path, broker: Mosquitto, publisher: Publisher
) -> None:
    config = write_config(tmp_path, broker.port, f'root = "{publisher.root}"')
    with subscribed(broker.port) as subscriber:
        watcher = Watcher(subscriber)
        with running(config) as daemon:
            watcher.flows()
            watcher.wait_for("confirmed", sequence=publisher.push(slow(1)))
            publisher.push(sound())
            watcher.wait_for("trial", sequence=2)
            wait_until(lambda: watcher.model() == "2.0", "it does not serve")
            daemon.kill()
        with running(config) as daemon:
            daemon.wait_for("1.0 on")
            watcher.wait_for("confirmed", sequence=2)
            assert [state for state in watcher.states() if "interrupted" in state] == ["2 reverted interrupted"]
            assert daemon.stop() == 0
        with running(config) as daemon:
            daemon.wait_for("2.0 on")
            daemon.kill()
        for blob in (tmp_path / "state/ota/blobs").glob("[0-9a-f]*"):
            (blob / "colours.tflite").write_bytes(b"what a failing card makes of it")
        with running(config) as daemon:
            daemon.wait_for("damaged on the disk")
            watcher.flows()
            watcher.wait_for("confirmed", sequence=2)


def test_a_reload_while_a_trial_runs_disturbs_neither(tmp_path: Path, broker: Mosquitto, publisher: Publisher) -> None:
    config = write_config(tmp_path, broker.port, f'root = "{publisher.root}"')
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        watcher = Watcher(subscriber)
        watcher.flows()
        publisher.push(slow(1))
        watcher.wait_for("trial")
        config.write_text(config.read_text().replace("appear_after_s = 0", "appear_after_s = 0.1"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reloaded")
        watcher.wait_for("confirmed", sequence=1)
        assert watcher.model() == "1.0"
        publisher.push(sound())
        watcher.wait_for("trial", sequence=2)
        config.write_text(config.read_text().replace('follow = "colours"', ""))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reloaded", 2)
        subscriber.wait_until(lambda: watcher.model() == "1", "the bundle of the configuration does not serve")
        watcher.flows()
        config.write_text(config.read_text().replace("[models.colours]", '[models.colours]\nfollow = "colours"'))
        daemon.signal(signal.SIGHUP)
        watcher.wait_for("confirmed", sequence=2)
        assert watcher.model() == "2.0"


def edged(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edged", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_person_brings_bundles(tmp_path: Path, broker: Mosquitto) -> None:
    (tmp_path / "drop").mkdir()
    config = write_config(tmp_path, broker.port, f'allow_unsigned = true\ndrop_folder = "{tmp_path / "drop"}"')
    mine, worse = (
        write_candidate(tmp_path / "mine", slow(1), "mine"),
        write_candidate(tmp_path / "worse", not_finite_when_bright(), "worse"),
    )
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        watcher = Watcher(subscriber)
        watcher.flows()
        done = edged("model", "install", mine, "--as", "colours", "--config", config)
        assert (done.returncode, done.stdout) == (0, "colours: mine serves\n"), done.stderr
        assert watcher.model() == "mine"
        done = edged("model", "install", worse, "--as", "colours", "--config", config)
        assert done.returncode == 1
        assert "reverted" in done.stderr
        done = edged("model", "install", worse, "--as", "other", "--config", config)
        assert "nothing here follows it" in done.stderr
        done = edged("model", "rollback", "colours", "--config", config)
        assert done.returncode == 0, done.stderr
        subscriber.wait_until(lambda: watcher.model() == "1", "the bundle of the configuration does not serve")
        shutil.copytree(write_candidate(tmp_path / "dropped", slow(2), "dropped"), tmp_path / "drop/colours")
        subscriber.wait_until(lambda: watcher.model() == "dropped", "what was dropped does not serve")
        watcher.wait_for("confirmed")
        wait_until(lambda: not list((tmp_path / "state/ota/brought").iterdir()), "what was brought stays")
        assert daemon.stop() == 0


def test_what_nobody_signed_is_not_installed_where_that_is_not_allowed(
    tmp_path: Path, broker: Mosquitto, publisher: Publisher
) -> None:
    config = write_config(tmp_path, broker.port, f'root = "{publisher.root}"')
    mine = write_candidate(tmp_path / "mine", slow(1), "mine")
    with subscribed(broker.port) as subscriber, running(config):
        Watcher(subscriber).flows()
        done = edged("model", "install", mine, "--as", "colours", "--config", config)
        assert done.returncode == 1
        assert "not what the channel has signed" in done.stderr


def test_a_candidate_looks_on_before_its_trial(tmp_path: Path, broker: Mosquitto, publisher: Publisher) -> None:
    config = write_config(tmp_path, broker.port, f'root = "{publisher.root}"\nshadow = {{ share = 1.0, frames = 30 }}')
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        watcher = Watcher(subscriber)
        watcher.flows()
        refused = watcher.wait_for("rejected", "sees_less", publisher.push(blind()))
        assert "only the old one" in refused["detail"]
        watcher.wait_for("trial", sequence=publisher.push(sound()))
        assert "both saw" in watcher.status()["detail"]
        watcher.wait_for("confirmed", sequence=2)
        assert "1 trial ok" not in watcher.states()
        assert daemon.stop() == 0
