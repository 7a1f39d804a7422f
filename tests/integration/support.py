"""The daemon as a process, and a subscriber that forgets nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE_S = 60
"""How long something may take on a busy machine before the test gives up; no measure of speed."""


class Daemon:
    """``edged run`` on a configuration; what it writes to stderr is kept. With a ``root``, /sys and /dev are below that."""

    def __init__(
        self,
        config: Path,
        environment: dict[str, str] | None = None,
        prefix: Sequence[str] = (),
        root: Path | None = None,
        starter: Sequence[str] = (),
    ) -> None:
        self.config = config
        self._starter = starter
        self._prefix = prefix
        self._root = root
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[str]
        self.log: list[str] = []
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start it; returns at once."""
        run = ["-m", "edged", "run", "--verbose", str(self.config)]
        if self._root is not None:
            run = [str(Path(__file__).with_name("rooted.py")), str(self.config), str(self._root)]
        run = [*self._starter] or run
        command = [*self._prefix, sys.executable, *run]
        self._process = subprocess.Popen(command, env=self._environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,))
        self._reader.start()

    def _read(self, stderr: Any) -> None:
        for line in stderr:
            with self._changed:
                self.log.append(line.rstrip())
                self._changed.notify_all()

    def wait_for(self, text: str, count: int = 1) -> None:
        """Wait until the log has ``count`` lines with ``text``."""
        with self._changed:
            found = self._changed.wait_for(lambda: sum(text in line for line in self.log) >= count, PATIENCE_S)
        assert found, f"no {text!r} in the log:\n" + "\n".join(self.log[-30:])

    @property
    def pid(self) -> int:
        """Of the main process."""
        return self._process.pid

    @property
    def vision_pid(self) -> int | None:
        """Of its vision process, if there is one now; it has other children while it tries a model."""
        return next(iter(children_running(self.pid, "edged.vision")), None)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process."""
        self._process.send_signal(number)

    def wait(self) -> tuple[int, str]:
        """(exit status, stdout) at its end."""
        with self._process:
            assert self._process.stdout is not None
            stdout = self._process.stdout.read()
            self._process.wait(PATIENCE_S)
            self._reader.join()
        return self._process.returncode, stdout

    def kill(self) -> None:
        """As a power cut would."""
        self._process.kill()
        self.wait()

    def abandon(self) -> None:
        """Kill it if it still runs; what we had from it is closed."""
        assert self._process.stdout is not None
        if not self._process.stdout.closed:
            self.kill()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()[0]


@contextmanager
def running(
    config: Path,
    environment: dict[str, str] | None = None,
    prefix: Sequence[str] = (),
    root: Path | None = None,
    starter: Sequence[str] = (),
) -> Iterator[Daemon]:
    """A daemon that is gone afterwards, whatever happens.

    ``prefix`` is a command that becomes it in the end; ``starter`` is what Python runs in the place of ``-m edged run``.
    """
    daemon = Daemon(config, environment, prefix, root, starter)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.abandon()


class Subscriber:
    """Listens with a session that the broker keeps, so that it misses nothing while it is away."""

    def __init__(self, port: int, topic: str = "edged/v1/#") -> None:
        self.messages: list[tuple[str, bytes]] = []
        self._changed = threading.Condition()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="subscriber", protocol=mqtt.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._take
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=session)
        self._client.loop_start()
        assert subscribed.wait(PATIENCE_S)

    def _take(self, _client: Any, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.messages.append((message.topic, message.payload))
            self._changed.notify_all()

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """Events by id, the first of each, in the order of arrival."""
        found = {}
        for topic, payload in list(self.messages):
            if f"/event/{kind}" in topic:
                event = json.loads(payload)
                found.setdefault(event["id"], event)
        return list(found.values())

    def wait_until(self, condition: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
        """Wait for messages until ``condition``."""
        with self._changed:
            assert self._changed.wait_for(condition, within_s), f"{what}; {len(self.messages)} messages came"

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()
        del self._client  # with it go the sockets by which its threads wake each other, and not when the ring is collected


@contextmanager
def subscribed(port: int) -> Iterator[Subscriber]:
    """A subscriber for the length of a ``with``."""
    subscriber = Subscriber(port)
    try:
        yield subscriber
    finally:
        subscriber.close()


class ServiceManager:
    """systemd's end of the notify socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE_S)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"}

    def wait_for(self, text: str) -> list[str]:
        """Messages up to and with the first that holds ``text``."""
        deadline = time.monotonic() + PATIENCE_S
        heard: list[str] = []
        while not any(text in message for message in heard):
            assert time.monotonic() < deadline, f"{text} was not said; {heard}"
            heard.append(self._socket.recv(10_000).decode())
        return heard

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def stored_ids(state: Path) -> set[str]:
    """The ids of every event that the store of device ``pi`` holds."""
    with closing(sqlite3.connect(f"file:{state}/events.db?mode=ro", uri=True)) as db:
        (epoch,) = db.execute("SELECT epoch FROM ledger").fetchone()
        return {f"pi/{epoch}/{seq}" for (seq,) in db.execute("SELECT seq FROM event")}


def children_running(parent: int, module: str) -> list[int]:
    """The children of a process that run ``python -m module``.

    Found among all processes: what the kernel lists as a process's children misses some while others of them end.
    """
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):  # it has ended meanwhile, or is no process
            if f"\0{module}\0".encode() in (process / "cmdline").read_bytes():
                after_name = (process / "stat").read_text().rpartition(")")[2].split()
                if int(after_name[1]) == parent:
                    found.append(int(process.name))
    return found


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll the outside world, which rings no bell."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def require_rtsp_server() -> None:
    """Skip where GStreamer's RTSP server is not installed, except in CI."""
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        there = subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        there = False
    if not there:
        message = "no GStreamer RTSP server: scripts/test says which packages it needs"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
