"""The whole daemon on a disk that somebody else fills, that turns read-only, or that fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.lights import write_config
from support import running, stored_ids, subscribed, wait_until

from edged.mqtt.limits import WINDOW
from edged.testing.broker import Mosquitto

DISK_MIB = 12
"""The reserve takes four of them."""


class SmallDisk:
    """A file system of its own for a daemon: ``prefix`` starts a program that sees it at ``inside``; we see it at ``outside``."""

    def __init__(self, mounting: list[str], inside: Path) -> None:
        inside.mkdir()
        script = f'mount -t tmpfs -o size={DISK_MIB}m none "$1" && echo mounted && exec sleep infinity'
        self._holder = subprocess.Popen([*mounting, "sh", "-c", script, "sh", str(inside)], stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"mounted\n"
        self.inside = inside
        self.outside = Path(f"/proc/{self._holder.pid}/root{inside}")
        self.prefix = ["nsenter", "--target", str(self._holder.pid), "--user", "--mount", "--preserve-credentials", "--"]
        self.filler = self.outside / "filler"

    def fill(self) -> None:
        """Take every byte that is free now."""
        with self.filler.open("ab", buffering=0) as file:
            try:
                for size in (65536, 4096):
                    while file.write(bytes(size)) == size:
                        pass
            except OSError:
                pass

    def query(self, sql: str) -> list[list[Any]]:
        """Ask the store in ``state``. From outside SQLite cannot: it follows links, and looks for their targets on our disks."""
        database = f"file:{self.inside}/state/events.db?mode=ro"
        asking = (
            "import json, sqlite3, sys; print(json.dumps(sqlite3.connect(sys.argv[1], uri=True).execute(sys.argv[2]).fetchall()))"
        )
        done = subprocess.run([*self.prefix, sys.executable, "-c", asking, database, sql], check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    def remount_read_only(self) -> None:
        subprocess.run([*self.prefix, "mount", "-o", "remount,ro", self.inside], check=True)

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()


@pytest.fixture
def disk(mounting: list[str], tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(mounting, tmp_path / "disk")
    yield disk
    disk.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    directory = tmp_path / "broker"
    directory.mkdir()
    with Mosquitto(directory, persistence=True, options="max_queued_messages 0") as broker:
        yield broker


@pytest.fixture
def config(disk: SmallDisk, broker: Mosquitto, tmp_path: Path) -> Path:
    return write_config(tmp_path, disk.inside / "state", ["door"], broker.port, tmp_path / "events.jsonl")


def ledger(disk: SmallDisk) -> tuple[int, int, int, int]:
    """produced, delivered, dropped, queued"""
    ((produced, delivered, dropped, queued, verdict),) = disk.query(
        "SELECT produced, delivered, dropped, (SELECT count(*) FROM outbox), (SELECT * FROM pragma_integrity_check) FROM ledger"
    )
    assert produced == delivered + dropped + queued
    assert verdict == "ok"
    return produced, delivered, dropped, queued


def lines(file: Path) -> int:
    return len(file.read_bytes().splitlines())


def test_a_disk_that_others_fill_costs_the_oldest_and_then_the_newest_and_no_more(
    disk: SmallDisk, broker: Mosquitto, config: Path, tmp_path: Path
) -> None:
    jsonl = tmp_path / "events.jsonl"
    with subscribed(broker.port) as subscriber, running(config, prefix=disk.prefix) as daemon:
        subscriber.wait_until(lambda: len(subscriber.events()) > 50, "events flow")
        broker.stop()
        daemon.wait_for("broker: ")

        disk.fill()
        daemon.wait_for("the disk is full; the oldest events are dropped to make room")
        wait_until(lambda: ledger(disk)[2] > 0, "the oldest go")

        def fill_until(text: str) -> bool:
            disk.fill()
            return any(text in line for line in daemon.log)

        wait_until(lambda: fill_until("events are lost until there is room"), "somebody takes what dropping frees")
        full = ledger(disk)
        disk.filler.unlink()
        daemon.wait_for("the store takes events again")
        after = lines(jsonl)
        wait_until(lambda: lines(jsonl) > after + 50, "events flow again")
        broker.start()
        wait_until(lambda: ledger(disk)[1] > full[1] + 50, "the backlog is delivered")
        assert daemon.vision_pid is not None
        assert daemon.stop() == 0
        produced, delivered, dropped, queued = ledger(disk)
        assert produced == lines(jsonl)  # what was lost before its commit got no number
        assert queued == 0
        subscriber.wait_until(lambda: len(subscriber.events()) >= delivered, "every event that was not dropped")
        seqs = [event["seq"] for event in subscriber.events()]
        missing = len(set(range(1, produced + 1)) - set(seqs))
        assert dropped - WINDOW <= missing <= dropped  # the broker may have taken some without our having noted it before they went
        assert not any("Traceback" in line for line in daemon.log)


def test_started_on_a_full_disk_it_works_with_what_it_has(disk: SmallDisk, config: Path, tmp_path: Path) -> None:
    jsonl = tmp_path / "events.jsonl"
    with running(config, prefix=disk.prefix) as daemon:
        wait_until(lambda: jsonl.exists() and lines(jsonl) > 50, "events flow")
        daemon.kill()
    disk.fill()
    kept = "SELECT count(*) FROM event"
    ((before,),) = disk.query(kept)
    with running(config, prefix=disk.prefix) as daemon:
        seen = lines(jsonl)
        wait_until(lambda: lines(jsonl) > seen + 50, "events flow")
        assert daemon.stop() == 0
    assert disk.query(kept)[0][0] >= before + 50
    ledger(disk)


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_on_which_no_store_can_be_made_is_named(disk: SmallDisk, config: Path, fault: str) -> None:
    (disk.outside / "state").mkdir()
    if fault == "full":
        disk.fill()
    else:
        disk.remount_read_only()
    with running(config, prefix=disk.prefix) as daemon:
        assert daemon.wait()[0] == 1
    said = " ".join(daemon.log)
    assert "events.db" in said
    assert {"full": "free space", "read-only": "writable"}[fault] in said
    assert "Traceback" not in said


@pytest.mark.parametrize("errno", ["EIO", "EROFS"])
def test_a_medium_that_fails_ends_the_daemon_with_that_reason_and_loses_nothing_that_was_confirmed(
    broker: Mosquitto, tmp_path: Path, errno: str
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("no strace here")
    state, jsonl = tmp_path / "state", tmp_path / "events.jsonl"
    config = write_config(tmp_path, state, ["door"], broker.port, jsonl)
    wal = state / "events.db-wal"
    failing = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-P", str(wal), "-e", "trace=fdatasync,pwrite64"]
    call = {"EIO": "fdatasync", "EROFS": "pwrite64"}[errno]
    with subscribed(broker.port) as subscriber:
        with running(config, prefix=[*failing, f"--inject={call}:error={errno}:when=30+"]) as daemon:
            assert daemon.wait()[0] == 1
        assert "the medium may be failing" in " ".join(daemon.log)
        assert not any("Traceback" in line for line in daemon.log)
        confirmed = lines(jsonl)
        with running(config) as daemon:
            wait_until(lambda: lines(jsonl) > confirmed + 50, "events flow again")
            assert daemon.stop() == 0
        subscriber.wait_until(lambda: {event["id"] for event in subscriber.events()} >= stored_ids(state), "every event")
    assert confirmed > 0
    assert len(stored_ids(state)) >= lines(jsonl)
