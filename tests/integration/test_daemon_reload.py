"""A changed configuration and a running daemon: what did not change goes on, what cannot be served is refused whole."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support import ServiceManager, running, stored_ids, subscribed, wait_until

from edged.core.event import SourceLost
from edged.daemon.clock import read_clock
from edged.daemon.control import Refused, Reload, ask
from edged.store.settings import StoreSettings
from edged.store.store import Store
from edged.testing.broker import Mosquitto

FILLED = 300
MODELS = {"ssd": "ssd_mobilenet_v1_coco_quant", "other": "ssd_mobilenet_v1_coco_quant_no_metadata"}


@pytest.fixture
def pictures(test_data: Path, tmp_path: Path) -> dict[str, Path]:
    """``stays``: a cat that is always there; ``comes``: one that comes and goes, a few times a second."""
    cat, empty = cv2.imread(str(test_data / "media/cat.bmp")), np.zeros((341, 512, 3), np.uint8)
    made = {}
    for name, images in {"stays": [cat] * 2, "comes": [cat] * 2 + [empty] * 3}.items():
        made[name] = tmp_path / name
        made[name].mkdir()
        for number, image in enumerate(images):
            cv2.imwrite(str(made[name] / f"{number}.png"), image)
    return made


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[list[Mosquitto]]:
    with ExitStack() as stack:
        made = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            made.append(stack.enter_context(Mosquitto(tmp_path / name, options="max_queued_messages 0")))
        yield made


class Config:
    """A configuration file, changed as an editor does it: a new file in place of the old one."""

    def __init__(self, directory: Path, test_data: Path, pictures: dict[str, Path], name: str = "edged") -> None:
        self.path = directory / f"{name}.toml"
        self.state = directory / f"{name}-state"
        self._pictures = pictures
        self.models = {name: {"bundle": f"{test_data}/models/{file}.tflite"} for name, file in MODELS.items()}
        self.cameras = {"door": self.camera("stays")}
        self.sections: dict[str, dict[str, Any]] = {
            "device": {"name": "pi", "state_directory": str(self.state)},
            "tracking": {"appear_after_s": 0},
        }

    def camera(self, pictures: str, model: str = "ssd", **more: Any) -> dict[str, Any]:
        return {"model": model, **more, "file": {"path": str(self._pictures[pictures]), "pace": "fast", "loop": True}}

    def write(self) -> Path:
        tables = {**self.sections, "models": self.models, "cameras": self.cameras}
        text = "".join(f"{name} = {inline(table)}\n" for name, table in tables.items())
        new = self.path.with_suffix(".new")
        new.write_text(text)
        return new.replace(self.path)

    def reload(self) -> str:
        """What ``edged reload`` says of the configuration as it is now; it is accepted."""
        self.write()
        done = command("reload", "--config", self.path)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().removeprefix("reloaded: ")

    def refused(self) -> str:
        self.write()
        done = command("reload", "--config", self.path)
        assert done.returncode == 1, done.stdout
        return done.stderr


def inline(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edged", *arguments], check=False, capture_output=True, text=True, timeout=300)


@pytest.fixture
def config(tmp_path: Path, test_data: Path, pictures: dict[str, Path]) -> Config:
    return Config(tmp_path, test_data, pictures)


def mqtt_to(broker: Mosquitto, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": broker.port, **more}


def check_story(events: list[dict[str, Any]], state: Path) -> None:
    """All that was stored was delivered; every object that appeared has left, once."""
    assert {event["id"] for event in events} == stored_ids(state)
    appeared = [event["object_id"] for event in events if event["kind"] == "object_appeared"]
    assert len(appeared) == len(set(appeared))
    assert sorted(appeared) == sorted(event["object_id"] for event in events if event["kind"] == "object_left")


def test_cameras_and_models_change_while_another_camera_goes_on(config: Config, brokers: list[Mosquitto]) -> None:
    config.sections["mqtt"] = mqtt_to(brokers[0], live=True)
    config.cameras["gate"] = config.camera("comes", "other")
    config.models["other"] = {**config.models["ssd"]}
    config.models["other"]["threads"] = 1
    with subscribed(brokers[0].port) as subscriber, running(config.write()) as daemon:

        def appears(camera: str) -> None:
            seen = len([event for event in subscriber.events("object_appeared") if event["camera"] == camera])
            subscriber.wait_until(
                lambda: len([event for event in subscriber.events("object_appeared") if event["camera"] == camera]) > seen,
                f"an object at {camera}",
            )

        appears("gate")
        subscriber.wait_until(
            lambda: any(event["camera"] == "door" for event in subscriber.events("object")), "the cat at the door"
        )
        main, vision = daemon.pid, daemon.vision_pid
        config.cameras["yard"] = config.camera("comes", "other")
        assert config.reload() == "cameras.yard added"
        appears("yard")
        config.cameras["yard"]["labels"] = ["cat", "dog"]
        assert config.reload() == "cameras.yard changed"
        appears("yard")
        config.models["other"] |= {"score_threshold": 0.4}
        assert config.reload() == "models.other changed"
        appears("gate")
        del config.cameras["yard"]["labels"]  # the other file has none
        config.models["other"] |= {"bundle": config.models["ssd"]["bundle"].replace(".tflite", "_no_metadata.tflite")}
        assert config.reload() == "models.other changed, cameras.yard changed"
        subscriber.wait_until(lambda: len(subscriber.events("model_changed")) == 3, "the other model")
        appears("yard")
        del config.cameras["gate"], config.cameras["yard"]
        assert config.reload() == "cameras.gate removed, cameras.yard removed"
        assert config.reload() == "nothing changed"
        topics = [f"edged/v1/home/pi/{it}" for it in ("camera/gate", "camera/yard", "model/other")]
        subscriber.wait_until(lambda: dict(subscriber.messages).keys() >= set(topics), "states")
        subscriber.wait_until(lambda: all(dict(subscriber.messages)[topic] == b"" for topic in topics), "states are cleared")
        assert (daemon.pid, daemon.vision_pid) == (main, vision)
        door = [event for event in subscriber.events("object") if event["camera"] == "door"]
        assert [event["kind"] for event in door] == ["object_appeared"]  # it was there all the time
        assert daemon.stop() == 0
        subscriber.wait_until(lambda: subscriber.messages[-1][1] == b"offline", "leave")
        check_story(subscriber.events(), config.state)
        live = [json.loads(payload)["seq"] for topic, payload in subscriber.messages if topic.endswith("live/door")]
        assert live == sorted(live)
        assert sum("vision restarts" in line or "starting it again" in line for line in daemon.log) == 0


def test_what_cannot_be_served_is_refused_whole(config: Config, tmp_path: Path) -> None:
    config.sections["sinks"] = {"jsonl": str(tmp_path / "events.jsonl")}
    config.cameras["gate"] = config.camera("comes")
    with closing(ServiceManager(tmp_path / "notify")) as manager, running(config.write(), manager.environment) as daemon:
        daemon.wait_for("ready")
        vision = daemon.vision_pid
        good = config.path.read_text()
        bad: list[tuple[str, str, tuple[str, ...]]] = [
            ('"ssd"', '"sdd"', ('there is no model "sdd"', "did you mean")),
            ("true }", "true", ("no valid TOML",)),
            ("_quant.tflite", "_gone.tflite", ("edged.toml:4: models.ssd", "_gone.tflite")),
            ('/comes", pace', '/gone", pace', ("edged.toml:5: cameras.gate", "no such file")),
            ('name = "pi"', 'name = "pie"', ("needs a restart", "edged.toml:1: device.name")),
            ("appear_after_s = 0", "appear_after_s = -1", ("tracking.appear_after_s", "at least 0")),
            ("events.jsonl", "no-directory/events.jsonl", ("there is no directory",)),
            ('{ jsonl = "', '{ jsonl = "/proc/version", console = false } #', ("/proc/version: cannot be written",)),
        ]
        manager.wait_for("READY=1")
        for old, new, says in bad:
            assert old in good, old
            config.path.write_text(good.replace(old, new))
            before = sum("reload refused" in line for line in daemon.log)
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("reload refused", before + 1)
            heard = manager.wait_for("RELOADING=1") + manager.wait_for("READY=1")
            assert re.search(r"MONOTONIC_USEC=\d+", "".join(heard))
            for words in says:
                daemon.wait_for(words)
        manager.wait_for(f"{len(bad)} reloads refused")
        config.path.write_text(good)
        done = command("reload", "--config", config.path)
        assert done.stdout == "reloaded: nothing changed\n"
        assert daemon.vision_pid == vision
        assert daemon.stop() == 0
    reasons = [
        event["reason"] for event in map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines()) if "dwell_s" in event
    ]
    assert reasons.count("stopped") <= 2  # of the two cameras, at the end
    assert "interrupted" not in reasons


def test_broker_changes_and_nothing_is_lost(config: Config, brokers: list[Mosquitto]) -> None:
    first, second = brokers
    config.cameras["gate"] = config.camera("comes")
    config.sections["mqtt"] = mqtt_to(first)
    with ExitStack() as stack:
        old, new = (stack.enter_context(subscribed(broker.port)) for broker in brokers)
        daemon = stack.enter_context(running(config.write()))
        old.wait_until(lambda: len(old.events("object")) > 6, "events at the first broker")
        config.sections["mqtt"] = mqtt_to(second, password_file=str(config.path.with_name("gone")), username="pi")
        assert "gone: No such file" in config.refused()
        seen = len(old.events())
        old.wait_until(lambda: len(old.events()) > seen, "events flow on at the first broker")
        config.sections["mqtt"] = mqtt_to(second)
        del config.models["other"], config.cameras["door"]
        assert config.reload() == "models.other removed, cameras.door removed, mqtt changed"
        old.wait_until(lambda: old.messages[-1][1] == b"offline", "leave of the first broker")
        new.wait_until(lambda: len(new.events("object")) > 6, "events at the second broker")
        wanted = {f"edged/v1/home/pi/{it}" for it in ("availability", "camera/gate", "model/ssd")}
        new.wait_until(lambda: dict(new.messages).keys() >= wanted, "states at the second broker")
        states = {topic.removeprefix("edged/v1/home/pi/"): payload for topic, payload in new.messages}
        assert states["availability"] == b"online"
        assert json.loads(states["camera/gate"])["state"] == "online"
        assert json.loads(states["model/ssd"])["delegate"] == "xnnpack"
        del config.sections["mqtt"]
        assert config.reload() == "mqtt removed"
        new.wait_until(lambda: new.messages[-1][1] == b"offline", "leave of the second broker")
        before = len(stored_ids(config.state))
        wait_until(lambda: len(stored_ids(config.state)) > before + 4, "events without a broker")
        config.sections["mqtt"] = mqtt_to(first)
        assert config.reload() == "mqtt added"
        old.wait_until(lambda: [it for it in old.messages if it[0].endswith("availability")][-1][1] == b"online", "return")
        silent = {event["id"] for event in old.events()} | {event["id"] for event in new.events()}
        old.wait_until(lambda: {event["id"] for event in old.events()} - silent != set(), "events at the first broker again")
        assert daemon.stop() == 0
        old.wait_until(lambda: old.messages[-1][1] == b"offline", "leave")
        events = {event["seq"]: event for event in old.events() + new.events()}
        missing = set(range(1, max(events) + 1)) - events.keys()
        # Stored while there was no broker to tell, and never meant for one: one stretch, and nothing else.
        assert missing
        assert missing == set(range(min(missing), max(missing) + 1))
        assert len(events) + len(missing) == len(stored_ids(config.state))


async def fill(state: Path) -> None:
    async with Store.open(state / "events.db", "pi", StoreSettings(), read_clock, publish=False) as store:
        await store.append([SourceLost("attic", "no such camera", 0)] * FILLED)


def test_bounds_of_the_store_and_files_of_events_change_at_once(config: Config, tmp_path: Path) -> None:
    first, rotated, second = (tmp_path / f"{name}.jsonl" for name in ("first", "rotated", "second"))
    config.cameras = {"gate": config.camera("comes")}
    config.sections["sinks"] = {"jsonl": str(first)}
    config.state.mkdir()
    asyncio.run(fill(config.state))
    with running(config.write()) as daemon:
        wait_until(lambda: first.exists() and first.stat().st_size > 0, "events in a file")
        first.rename(rotated)
        assert config.reload() == "nothing changed"
        wait_until(lambda: first.exists() and first.stat().st_size > 0, "events in a new file of the same name")
        config.sections |= {"sinks": {"jsonl": str(second), "console": True}, "store": {"max_events": 100}}
        assert config.reload() == "store changed, sinks changed"
        assert len(stored_ids(config.state)) == 100
        wait_until(lambda: second.exists() and len(second.read_bytes().splitlines()) > 4, "events in another file")
        daemon.signal(signal.SIGTERM)
        status, printed = daemon.wait()
    assert status == 0
    assert "appeared" in printed
    seqs = [json.loads(line)["seq"] for path in (rotated, first, second) for line in path.read_text().splitlines()]
    assert seqs == list(range(FILLED + 1, FILLED + len(seqs) + 1))


def test_signals_while_it_starts_are_heeded_once_it_serves(config: Config) -> None:
    with running(config.write()) as daemon:
        wait_until((config.state / "events.db").exists, "the start")
        config.cameras["gate"] = config.camera("comes")
        config.write()
        for _ in range(200):
            daemon.signal(signal.SIGHUP)
        daemon.wait_for("reloaded")
        daemon.wait_for("camera gate:")
        assert config.reload() == "nothing changed"
        done = [line for line in daemon.log if "reloaded" in line]
        assert "cameras.gate added" in done[0]
        assert len(done) <= 3  # of 200 signals: one that ran, and one that waited; and the command
        vision = daemon.vision_pid
        assert vision
        os.kill(vision, signal.SIGHUP)  # as a service manager does that signals the whole group
        assert config.reload() == "nothing changed"
        assert daemon.vision_pid == vision
        assert daemon.stop() == 0


def test_stop_during_a_reload_leaves_in_good_order(config: Config, brokers: list[Mosquitto]) -> None:
    config.sections["mqtt"] = mqtt_to(brokers[0])
    with subscribed(brokers[0].port) as subscriber, running(config.write()) as daemon:
        subscriber.wait_until(lambda: bool(subscriber.events("object")), "a cat")
        config.cameras["gate"] = config.camera("comes")
        config.sections["mqtt"] = mqtt_to(brokers[1])
        config.write()
        daemon.signal(signal.SIGHUP)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait()[0] == 0
        assert not any("Traceback" in line for line in daemon.log)
        subscriber.wait_until(lambda: subscriber.messages[-1][1] == b"offline", "leave")
        appeared = {event["object_id"] for event in subscriber.events("object_appeared")}
        left = {event["object_id"] for event in subscriber.events("object_left")}
        assert left <= appeared
        assert not (config.state / "control").exists()


def test_vision_process_that_dies_over_it_is_started_again_with_the_old_settings(config: Config) -> None:
    with running(config.write()) as daemon:
        daemon.wait_for("ready")
        vision = daemon.vision_pid
        assert vision
        os.kill(vision, signal.SIGSTOP)
        config.cameras["gate"] = config.camera("comes")
        config.write()
        with ThreadPoolExecutor(1) as client:  # a process would take its time to start, and the silence is noticed
            answer = client.submit(ask, config.state, Reload())
            daemon.wait_for("asks the vision process")
            os.kill(vision, signal.SIGKILL)
            refused = answer.result()
        assert isinstance(refused, Refused)
        assert "died over it (killed by SIGKILL)" in "".join((refused.message, *refused.problems))
        wait_until(lambda: daemon.vision_pid not in {None, vision}, "a new vision process")
        daemon.wait_for("camera door:", 2)
        assert not any("camera gate" in line for line in daemon.log)
        assert config.reload() == "cameras.gate added"
        assert daemon.stop() == 0


def test_settings_are_taken_on_though_no_vision_process_lives_for_long(config: Config) -> None:
    def longest_pause_s() -> float:
        return max(
            [float(found[1]) for line in daemon.log if (found := re.search(r"starting it again in ([\d.]+) s", line))] or [0]
        )

    with running(config.write()) as daemon:
        while longest_pause_s() < 2:
            if vision := daemon.vision_pid:
                with suppress(ProcessLookupError):
                    os.kill(vision, signal.SIGKILL)
        config.cameras["gate"] = config.camera("comes")
        assert config.reload() == "cameras.gate added"
        daemon.wait_for("camera gate:")
        assert daemon.stop() == 0


def test_file_may_vanish_and_names_may_be_relative(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config.write()
    relative = Path(os.path.relpath(config.path))
    with running(relative) as daemon:
        daemon.wait_for("ready")
        config.path.unlink()
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("No such file")
        assert "No such file" in command("reload", "--config", config.path).stderr
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        config.cameras["gate"] = config.camera("comes")
        config.write()
        done = command("reload", "--config", Path("../edged.toml"))
        assert done.stdout == "reloaded: cameras.gate added\n"
        other = tmp_path / "other.toml"
        other.write_text(config.path.read_text())
        assert f"not on {other}" in command("reload", "--config", other).stderr
        assert daemon.stop() == 0


def test_state_directory_has_one_daemon_and_a_dead_one_leaves_no_trace(
    config: Config, tmp_path: Path, test_data: Path, pictures: dict[str, Path]
) -> None:
    config.write()
    assert "no edged runs on" in command("reload", "--config", config.path).stderr
    with running(config.path) as daemon:
        daemon.wait_for("ready")
        second = command("run", config.path)
        assert second.returncode == 1
        assert f"is in use by another edged (pid {daemon.pid})" in second.stderr
        daemon.kill()
    assert (config.state / "control").is_socket()
    assert "no edged runs on" in command("reload", "--config", config.path).stderr
    beside = Config(tmp_path, test_data, pictures, "beside")
    with running(config.path) as one, running(beside.write()) as other:
        one.wait_for("ready")
        other.wait_for("ready")
        assert beside.reload() == "nothing changed"
        assert not any("reloaded" in line for line in one.log)
        assert (one.stop(), other.stop()) == (0, 0)
