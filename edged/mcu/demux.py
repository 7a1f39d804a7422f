"""What comes from a microcontroller on one serial line, told apart: packets of SMP, report frames, and plain text.

Rules: no input raises; the same bytes give the same events, whole or one by one; what is damaged costs itself and nothing that
comes after it. A frame hides whatever is in it; a zero ends whatever line was open. Where a delimiter was lost, or noise made
one, the two bytes after it tell (``frame.may_begin``), or else the next delimiter: what was taken for a frame and is none is
searched for packets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from edged.core.errors import FrameFault, FrameInvalid
from edged.mcu import frame, lines
from edged.mcu.frame import Frame
from edged.mcu.lines import Bad, LineReader, SmpPacket, Text
from edged.mcu.report import Hello

__all__ = ["Bad", "Demultiplexer", "Event", "Report", "SmpPacket", "Text"]

_SEQUENCE_NUMBERS = 1 << 16


@dataclass(frozen=True, slots=True)
class Report:
    """A frame, its checksum right; ``edged.mcu.report.decode`` reads it."""

    frame: Frame


Event: TypeAlias = SmpPacket | Report | Text | Bad


class Demultiplexer:
    """Bytes in, events out. ``gaps`` counts reports that were numbered and never came, ``corrupt`` what had a wrong checksum."""

    def __init__(self) -> None:
        self.gaps = 0
        self.corrupt = 0
        self._lines = LineReader()
        self._frame: bytearray | None = None  # what came after a delimiter, while it may be a frame
        self._after_frame = False  # whether that delimiter ended one
        self._expected: int | None = None
        self._events: list[Event] = []

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes complete."""
        first, *others = bytes(data).split(frame.DELIMITER)
        self._take(first)
        for part in others:
            self._delimiter()
            self._take(part)
        events, self._events = self._events, []
        for event in events:
            self.corrupt += isinstance(event, Bad) and event.reason == "corrupt"
        return events

    def flush(self) -> list[Event]:
        """The text that waits for the end of its line: nothing more comes, or not for long."""
        if self._after_frame and self._frame and len(self._frame) == 1:
            self._no_frame()
        events, self._events = self._events, []
        return events + self._lines.flush()

    def _take(self, data: bytes) -> None:
        if self._frame is None:
            self._events += self._lines.feed(data)
            return
        if not data:
            return
        room = frame.MAX_STUFFED_BYTES + 1 - len(self._frame)
        began = len(self._frame) >= 2
        self._frame += data[:room]
        if not began and not frame.may_begin(self._frame):
            self._no_frame()
        elif len(self._frame) > frame.MAX_STUFFED_BYTES:
            self._lose("too large", self._lines.flush)
        else:
            return
        self._take(data[room:])

    def _delimiter(self) -> None:
        after_frame = False
        if self._frame and len(self._frame) == 1:
            self._no_frame()
        elif self._frame:
            try:
                self._report(frame.unpack(bytes(self._frame)))
                after_frame = True
            except FrameInvalid as error:
                self._lose(error.fault, self._lines.cut)
        self._events += self._lines.cut()
        self._frame, self._after_frame = bytearray(), after_frame

    def _report(self, found: Frame) -> None:
        self._events.append(Report(found))
        restarted = found.type == Hello.TYPE and found.sequence == 0
        if self._expected is not None and not restarted:
            missed = (found.sequence - self._expected) % _SEQUENCE_NUMBERS
            self.gaps += missed if missed < _SEQUENCE_NUMBERS // 2 else 0  # else it is an old one once more
        self._expected = (found.sequence + 1) % _SEQUENCE_NUMBERS

    def _no_frame(self) -> None:
        """What follows a delimiter is something else: nothing is amiss if that delimiter ended a frame."""
        if not self._after_frame:
            self._events.append(Bad("frame", "malformed"))
        self._events += self._lines.feed(self._taken())

    def _lose(self, reason: FrameFault, end: Callable[[], list[lines.Event]]) -> None:
        """Search what was no frame for packets: all of it that looks like text is not worth showing."""
        self._events.append(Bad("frame", reason))
        self._events += [event for event in self._lines.feed(self._taken()) + end() if not isinstance(event, Text)]

    def _taken(self) -> bytes:
        assert self._frame is not None
        data, self._frame = bytes(self._frame), None
        return data
