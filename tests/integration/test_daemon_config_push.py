"""Settings are pushed over a real broker: laid over the file of a device, on trial, and gone back from; events flow on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Subscriber, running, subscribed
from updating import GREEN, ID, WINDOW_S, Publisher, Watcher, write_config

from edged.testing.broker import Mosquitto

DIM = (120, 120, 120)
"""Red or anything else, less than half sure."""

COLOURS = (DIM,) * 5 + (GREEN,) * 15 + (DIM,) * 15

SURE = "[models.colours]\nscore_threshold = 0.6\n"
"""Then only green is seen."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker", options="max_queued_messages 0") as mosquitto:
        yield mosquitto


@pytest.fixture
def publisher(broker: Mosquitto, tmp_path: Path) -> Publisher:
    return Publisher(tmp_path, broker.port)


def configured(tmp_path: Path, broker: Mosquitto, publisher: Publisher, window_s: float = WINDOW_S) -> Path:
    ota = f'root = "{publisher.root}"\nfollow_config = "{ID}"'
    config = write_config(tmp_path, broker.port, ota, COLOURS, window_s)
    config.write_text(config.read_text().replace(f'follow = "{ID}"', ""))
    return config


def seen(subscriber: Subscriber, count: int, camera: str = "door") -> set[str]:
    """The labels of so many objects that come to be seen from now on."""

    def appeared() -> list[str]:
        return [event["label"] for event in subscriber.events("object_appeared") if event["camera"] == camera]

    before = len(appeared())
    subscriber.wait_until(lambda: len(appeared()) >= before + count, "nothing is seen any more")
    return set(appeared()[before:])


def test_a_threshold_is_pushed_confirmed_and_kept(tmp_path: Path, broker: Mosquitto, publisher: Publisher) -> None:
    config = configured(tmp_path, broker, publisher)
    with subscribed(broker.port) as subscriber:
        watcher = Watcher(subscriber, "config")
        with running(config) as daemon:
            assert seen(subscriber, 6) == {"red", "green"}
            watcher.wait_for("confirmed", sequence=publisher.push_config(SURE))
            steps = [f"1 {state} ok" for state in ("queued", "downloading", "verified", "testing", "trial", "confirmed")]
            subscriber.wait_until(lambda: watcher.states() == steps, "not all steps are told")
            daemon.wait_for("config/colours is laid over")
            assert seen(subscriber, 4) == {"green"}
            config.write_text(config.read_text().replace("leave_after_s = 1", "leave_after_s = 1.1"))
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("tracking changed")
            assert seen(subscriber, 3) == {"green"}, "a reload lays it over the new file"
            config.write_text(
                config.read_text()
                .replace("models.colours", "models.other")
                .replace('"colours"\n        file', '"other"\n        file')
            )
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("reload refused")
            daemon.wait_for("there is no such model on this device")
            assert daemon.stop() == 0
        config.write_text(
            config.read_text().replace("models.other", "models.colours").replace('"other"\n        file', '"colours"\n        file')
        )
        with running(config) as daemon:
            daemon.wait_for("config/colours 1 is laid over")
            assert seen(subscriber, 4) == {"green"}
            assert daemon.stop() == 0


def test_what_is_wrong_is_rejected_or_gone_back_from(tmp_path: Path, broker: Mosquitto, publisher: Publisher) -> None:
    config = configured(tmp_path, broker, publisher)
    config.write_text(config.read_text() + '\n[cameras.yard]\nmodel = "colours"\nsynthetic = {}\n')
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        watcher = Watcher(subscriber, "config")
        watcher.flows()
        vision_pid = daemon.vision_pid
        bad = publisher.push_config(
            '[cameras.door]\nstall_after_s = "long"\n[mqtt]\nhost = "elsewhere"\n[models.no]\nthreads = 1\n'
        )
        detail = watcher.wait_for("rejected", "config_refused", bad)["detail"]
        assert "config/colours:3: mqtt: is the device's own" in detail
        assert "models.no: there is no such model" in detail
        detail = watcher.wait_for("rejected", "config_refused", publisher.push_config("[tracking]\nleave_after_s = -1\n"))["detail"]
        assert "config/colours:2: tracking.leave_after_s: got -1" in detail
        unknown = publisher.push_config("[models.colours]\nlabel_thresholds = { mauve = 0.5 }\n")
        assert "mauve" in watcher.wait_for("rejected", "config_refused", unknown)["detail"]
        watcher.flows()

        away = publisher.push_config("[cameras.yard]\nv4l2 = { device = 987 }\n" + SURE)
        watcher.wait_for("trial", sequence=away)
        assert "nothing came from yard" in watcher.wait_for("reverted", "config_refused", away)["detail"]
        reverted = f"{away} reverted config_refused"
        subscriber.wait_until(lambda: watcher.states()[-1] == reverted, "that is not told")
        told = [
            f"{event.get('sequence')} {event.get('state')}" if event["kind"] == "update" else event["kind"]
            for event in subscriber.events()
        ]
        assert "object_appeared" in told[told.index("source_lost") : told.index(f"{away} reverted")], (
            "the other camera did not go on"
        )
        assert seen(subscriber, 6) == {"red", "green"}
        assert daemon.vision_pid == vision_pid
        assert daemon.stop() == 0


def test_killed_in_its_trial_the_next_start_has_the_file_alone(tmp_path: Path, broker: Mosquitto, publisher: Publisher) -> None:
    config = configured(tmp_path, broker, publisher, window_s=60)
    with subscribed(broker.port) as subscriber:
        watcher = Watcher(subscriber, "config")
        with running(config) as daemon:
            watcher.flows()
            publisher.push_config(SURE)
            watcher.wait_for("trial")
            daemon.wait_for("is laid over")
            daemon.kill()
        config.write_text(config.read_text().replace("health_window_s = 60", f"health_window_s = {WINDOW_S}"))
        with running(config) as daemon:
            watcher.wait_for("confirmed", sequence=1)
            assert [state for state in watcher.states() if "interrupted" in state] == ["1 reverted interrupted"]
            assert daemon.stop() == 0


def test_a_push_that_changes_which_models_are_followed_comes_to_its_end(
    tmp_path: Path, broker: Mosquitto, publisher: Publisher
) -> None:
    config = configured(tmp_path, broker, publisher)
    bundle = tmp_path / "factory"
    config.write_text(config.read_text() + f'\n[models.other]\nbundle = "{bundle}"\nfollow = "other"\n')
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        watcher = Watcher(subscriber, "config")
        watcher.flows()
        publisher.push_config('[cameras.yard]\nmodel = "other"\nsynthetic = {}\n')
        watcher.wait_for("confirmed", sequence=1)
        assert Watcher(subscriber, "model").wait_for("rejected", "unknown_id"), "the model of the new camera is followed now"
        assert watcher.states().count("1 trial ok") == 1
        assert daemon.stop() == 0


def test_a_push_that_the_vision_process_dies_of_is_gone_back_from(tmp_path: Path, broker: Mosquitto, publisher: Publisher) -> None:
    config = configured(tmp_path, broker, publisher)
    with subscribed(broker.port) as subscriber, running(config) as daemon:
        watcher = Watcher(subscriber, "config")
        watcher.flows()
        publisher.push_config('[cameras.yard]\nmodel = "colours"\nsynthetic = {}\n')
        daemon.wait_for("is laid over")
        vision_pid = daemon.vision_pid
        assert vision_pid
        os.kill(vision_pid, signal.SIGKILL)
        watcher.wait_for("reverted", "crashed", 1)
        watcher.flows()
        crop = "picture = { crop = [0.5, 0.5, 0.51, 0.51] }"  # too little is left
        publisher.push_config(f'[cameras.yard]\nmodel = "colours"\nsynthetic = {{}}\n{crop}\n')
        watcher.wait_for("reverted", "config_refused", 2)
        watcher.flows()
        assert daemon.stop() == 0
