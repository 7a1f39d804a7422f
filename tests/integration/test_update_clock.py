"""A device without a network or the time: what it has serves on, its events are kept, and nothing that expired is installed.

The clocks of all processes are libfaketime's; weeks of the updater alone are in tests/unit/test_updater.py.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import Daemon, Subscriber, running, stored_ids, subscribed, wait_until
from updating import ID, TOPICS, Publisher, Watcher, write_config

from edged.ota.slots import Slot
from edged.ota.slots_file import SlotsFile
from edged.testing.broker import Mosquitto
from edged.testing.candidates import slow, sound

DAY_S = 86_400
WEEK_S = 7 * DAY_S
LIFE = timedelta(days=5)
"""Of what is signed at first."""


def libfaketime() -> str:
    """The library that moves the wall clock; skips without it, except in CI."""
    if found := next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None):
        return str(found)
    message = "no libfaketime: scripts/test says which packages it needs"
    raise AssertionError(message) if os.environ.get("CI") else pytest.skip.Exception(message)


@contextmanager
def running_at(config: Path, ahead_s: float, quality: str) -> Iterator[Daemon]:
    """A daemon whose wall clock is so far ahead of ours, and of which the kernel says this."""
    environment = {
        "LD_PRELOAD": libfaketime(),
        "FAKETIME": f"{ahead_s:+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    python = config.with_name("python")
    settings = " ".join(f"{name}={value}" for name, value in environment.items())
    python.write_text(f'#!/bin/sh\nexec env {settings} {sys.executable} "$@"\n')
    python.chmod(0o755)
    starter = [str(Path(__file__).with_name("clocked.py")), str(config), quality, str(python)]
    with running(config, environment, starter=starter) as daemon:
        yield daemon


def slot_of(directory: Path) -> Slot:
    return SlotsFile(directory / "state/ota/slots").slots[f"model/{ID}"]


def expire(publisher: Publisher, when: datetime) -> None:
    """Of what is signed from now on, but for the root."""
    repository = publisher.repository
    repository.targets.expires = repository.snapshot.expires = repository.timestamp.expires = when.replace(microsecond=0)


def seen_last(subscriber: Subscriber) -> tuple[float, str]:
    """When the last object appeared, in seconds of Unix time, and what is said of the clock."""
    event = subscriber.events("object_appeared")[-1]
    return datetime.fromisoformat(event["time"]).timestamp(), event["clock"]


def test_a_week_away_and_a_clock_at_1970_change_nothing(tmp_path: Path) -> None:
    libfaketime()
    (tmp_path / "broker").mkdir()
    now = datetime.now(UTC)
    with Mosquitto(tmp_path / "broker", options="max_queued_messages 0") as broker, subscribed(broker.port) as subscriber:
        publisher, watcher = Publisher(tmp_path, broker.port), Watcher(subscriber)
        config = write_config(tmp_path, broker.port, f'root = "{publisher.root}"')
        expire(publisher, now + LIFE)
        with running_at(config, 0, "synchronised") as daemon:
            publisher.push(sound())
            watcher.wait_for("confirmed", sequence=1)
            assert daemon.stop() == 0
        slot = slot_of(tmp_path)

        broker.stop()
        with running_at(config, WEEK_S, "synchronised") as daemon:
            daemon.wait_for("1.0 on")
            stored = stored_ids(tmp_path / "state")
            wait_until(lambda: len(stored_ids(tmp_path / "state") - stored) > 3, "no events are kept while the broker is away")
            broker.start()
            watcher.flows()
            seen_s, clock = seen_last(subscriber)
            assert abs(seen_s - time.time() - WEEK_S) < DAY_S and clock == "synchronised"
            publisher.push(slow(1))
            watcher.wait_for("rejected", "expired")
            assert slot_of(tmp_path) == slot
            assert watcher.model() == "1.0"
            assert daemon.stop() == 0

        publisher.say({TOPICS.metadata("stable"): b""})
        with running_at(config, -time.time() + DAY_S, "unsynchronised") as daemon:
            daemon.wait_for("1.0 on")
            watcher.flows()
            subscriber.wait_until(lambda: seen_last(subscriber)[1] == "unsynchronised", "nothing is seen by that clock")
            assert seen_last(subscriber)[0] < 2 * DAY_S
            watcher.wait_for("confirmed", sequence=1)
            publisher.push(slow(1))
            watcher.wait_for("rejected", "expired")
            assert slot_of(tmp_path) == slot
            watcher.flows()
            expire(publisher, now + 2 * LIFE)
            watcher.wait_for("confirmed", sequence=publisher.push(slow(2)))
            assert daemon.stop() == 0
