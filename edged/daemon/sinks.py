"""Where events go besides the broker."""

from __future__ import annotations

from pathlib import Path

from edged.core.errors import OutputUnwritable
from edged.core.event import Event
from edged.mqtt.payload import encode_event


class JsonlSink:
    """Appends each event as one line of JSON, the same object that MQTT carries.

    For reading along and for other programs; what must survive a power cut is in the store.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise OutputUnwritable(
                f"{path}: cannot be written: {error.strerror}", hint="[sinks] jsonl names another file"
            ) from error
        self._torn = False

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def on_event(self, event: Event) -> None:
        """Write the line; raises OSError. A line that was cut short by a full disk is ended before the next one."""
        line = b"\n" * self._torn + encode_event(event) + b"\n"
        written = self._file.write(line)
        self._torn = written < len(line)
