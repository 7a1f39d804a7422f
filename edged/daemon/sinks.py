"""Where events go besides the broker.

Rule: the event loop never waits for whoever reads. A line for which there is no room now is not written; it is in the store.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from pathlib import Path

from edged.core.errors import OutputUnwritable
from edged.core.event import Event
from edged.mqtt.events import encode_event

HINT = "[sinks] jsonl names another file"
NO_FILE = "it is no regular file"

OUR_STREAMS = frozenset({Path("/dev/stdout"), Path("/dev/stderr")})
"""These may be pipes: whoever started edged reads them."""


class JsonlSink:
    """Appends each event as one line of JSON, the same object that MQTT carries.

    For reading along and for other programs; what must survive a power cut is in the store.
    """

    def __init__(self, path: Path) -> None:
        self._file = _open(path)
        self._torn = False

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def on_event(self, event: Event) -> None:
        """Write the line; raises OSError. A line that was cut short by a full disk or pipe is ended before the next one."""
        line = b"\n" * self._torn + encode_event(event) + b"\n"
        written: int | None = self._file.write(line)
        if written is None:
            raise BlockingIOError(errno.EAGAIN, "nobody reads it")
        self._torn = written < len(line)


def _open(path: Path) -> FileIO:
    """A file, a device such as a terminal, or a stream of ours; raises OutputUnwritable, and never waits."""
    try:
        file = FileIO(path, "ab", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o666))
    except OSError as error:
        reason = NO_FILE if error.errno == errno.ENXIO else error.strerror  # a pipe without a reader, or a socket
        raise OutputUnwritable(f"{path}: cannot be written: {reason}", hint=HINT) from error
    kind = os.fstat(file.fileno()).st_mode
    if stat.S_ISREG(kind) or stat.S_ISCHR(kind) or path in OUR_STREAMS:
        return file
    file.close()
    raise OutputUnwritable(f"{path}: cannot be written: {NO_FILE}", hint=HINT)
