"""What systemd is told, as it would receive it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.daemon.systemd import JournalHandler, Notifier, journal_is_stderr


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.settimeout(60)
        yield listener


def parse(entry: bytes) -> dict[str, str]:
    """An entry of the journal's native protocol."""
    fields = {}
    while entry:
        line, _, entry = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", entry[:8])
            value, entry = entry[8 : 8 + length], entry[9 + length :]
        fields[name.decode()] = value.decode()
    return fields


def test_notifications(listener: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "10000000"})
    notifier.ready("serving")
    notifier.watchdog()
    notifier.status("12 events")
    notifier.stopping()
    assert [listener.recv(1000).decode() for _ in range(4)] == [
        "READY=1\nSTATUS=serving",
        "WATCHDOG=1",
        "STATUS=12 events",
        "STOPPING=1\nSTATUS=stopping",
    ]
    assert notifier.watchdog_s == 10
    notifier.close()


def test_reload_is_told_as_notify_reload_wants_it_but_not_before_the_daemon_was_ready(listener: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": listener.getsockname()})
    notifier.reloading()
    notifier.reloaded("serving")
    notifier.ready("serving")
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    notifier.reloaded("serving")
    heard = [listener.recv(1000).decode() for _ in range(3)]
    assert (heard[0], heard[2]) == ("READY=1\nSTATUS=serving",) * 2
    found = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)\nSTATUS=reloading", heard[1])
    assert found
    assert before <= int(found[1]) <= time.monotonic_ns() // 1000
    notifier.close()


def test_changes_of_state_reach_a_manager_that_was_busy_and_the_rest_does_not_pile_up(listener: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": listener.getsockname()})
    notifier.ready("serving")
    for _ in range(5000):  # more than any queue holds
        notifier.watchdog()
    notifier.reloading()
    notifier.reloaded("serving")
    notifier.watchdog()
    listener.setblocking(False)
    heard = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(listener.recv(1000).decode())
    assert set(heard[1:]) == {"WATCHDOG=1"}
    notifier.status("12 events")
    kinds = [listener.recv(1000).decode().split("=")[0] for _ in range(3)]
    assert kinds == ["RELOADING", "READY", "STATUS"]
    notifier.close()


def test_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0edged-test-{os.getpid()}")
        listener.settimeout(60)
        notifier = Notifier({"NOTIFY_SOCKET": f"@edged-test-{os.getpid()}"})
        notifier.watchdog()
        assert listener.recv(100) == b"WATCHDOG=1"
        notifier.close()


def test_without_systemd_nothing_is_said_and_a_foreign_watchdog_is_not_fed() -> None:
    assert Notifier({}).watchdog_s is None
    Notifier({}).ready("serving")
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None


def test_manager_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.watchdog()
    notifier.close()


def test_journal_entry_has_fields_and_survives_line_ends(listener: socket.socket) -> None:
    handler = JournalHandler(listener.getsockname())
    record = logging.LogRecord("edged.vision", logging.WARNING, "/x/vision.py", 7, "two\nlines %d", (5,), None)
    record.fields = {"camera": "door"}
    handler.emit(record)
    fields = parse(listener.recv(10_000))
    assert fields == {
        "MESSAGE": "two\nlines 5",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "edged",
        "EDGED_LOGGER": "edged.vision",
        "CODE_FILE": "/x/vision.py",
        "CODE_LINE": "7",
        "EDGED_CAMERA": "door",
    }
    handler.close()


def test_stderr_is_the_journal_only_if_systemd_says_so() -> None:
    stream = os.fstat(2)
    assert journal_is_stderr({"JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}"})
    assert not journal_is_stderr({"JOURNAL_STREAM": "1:2"})
    assert not journal_is_stderr({})
