"""systemd's two datagram protocols: service notification and the journal.

Spoken here because libsystemd's Python binding has no wheels; both are a page of documented, stable format:
https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html and https://systemd.io/JOURNAL_NATIVE_PROTOCOL/.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping

JOURNAL_SOCKET = "/run/systemd/journal/socket"
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


OWED = 4
"""Changes of state that wait for a busy service manager at most; the oldest, which later ones overtook, goes first."""


class Notifier:
    """Tells the service manager how the daemon is; silent where none listens.

    Never waits: the manager's queue may be as short as ten messages. What is said again anyway is dropped then; a change of state
    is said before the next message.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket:
            self._socket.setblocking(False)
        self._owed: deque[str] = deque(maxlen=OWED)
        self._ready = False  # before the first time there is nothing to reload in the service manager's eyes
        usec = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(usec) / 1e6 if usec.isdigit() and mine else None

    def ready(self, status: str) -> None:
        """The daemon serves."""
        self._ready = True
        self._change(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """The daemon takes on another configuration (Type=notify-reload); ``reloaded`` has to follow."""
        if self._ready:
            self._change(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=reloading")

    def reloaded(self, status: str) -> None:
        """It serves, with the new configuration or with the old one."""
        if self._ready:
            self.ready(status)

    def stopping(self) -> None:
        """The daemon began to leave in good order."""
        self._change("STOPPING=1\nSTATUS=stopping")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; a line end in it would begin another message."""
        self._send(f"STATUS={' '.join(text.split())}")

    def watchdog(self) -> None:
        """Still alive."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Give the socket back."""
        if self._socket:
            self._socket.close()

    def _change(self, message: str) -> None:
        self._owed.append(message)
        self._settle()

    def _send(self, message: str) -> None:
        if self._settle():
            self._delivered(message)

    def _settle(self) -> bool:
        """Say what is owed, in order; False if the manager does not take it."""
        while self._owed and self._delivered(self._owed[0]):
            self._owed.popleft()
        return not self._owed

    def _delivered(self, message: str) -> bool:
        if self._socket is None:
            return True
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            logging.getLogger(__name__).debug("notify socket: %s", error)
            return False
        return True


def journal_is_stderr(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether stderr goes to the journal, as systemd says by ``JOURNAL_STREAM=device:inode``."""
    stream = os.fstat(2)
    return environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


class JournalHandler(logging.Handler):
    """Log records as journal entries with fields; a record's ``extra={"fields": {...}}`` becomes ``EDGED_*`` fields."""

    def __init__(self, path: str = JOURNAL_SOCKET) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one entry."""
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(PRIORITIES.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": "edged",
            "EDGED_LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            **{f"EDGED_{name.upper()}": str(value) for name, value in getattr(record, "fields", {}).items()},
        }
        try:
            self._socket.sendto(b"".join(_field(name, value) for name, value in fields.items()), self._path)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
        super().close()


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")
    if b"\n" in data:  # a value with line ends is sent with its length
        return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return name.encode() + b"=" + data + b"\n"
