"""Packets of SMP among the lines of a serial console.

Format: Zephyr's "SMP over console". A packet is base64 of a length, the message, and its CRC-16/XMODEM (big endian; the length
counts message and checksum), cut into lines: 06 09 begins the first, 04 14 each other, a newline ends all.

Rules: as firmware/protocol/smp_frame.h, which judges the same vectors: a packet can begin anywhere, and loses what was open; what
is lost is said once, however many lines of it follow.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from edged.core.errors import FrameFault

MAX_TEXT_BYTES = 256
"""A line of text that is longer is given out in pieces."""

_LENGTH_BYTES = _CHECKSUM_BYTES = 2
_BEGIN, _RESUME = b"\x06\x09", b"\x04\x14"
_MARKS = {mark[0]: mark[1] for mark in (_BEGIN, _RESUME)}
_DIGITS = re.compile(b"[A-Za-z0-9+/]+")
_END = re.compile(b"[\n\x06\x04]")


@dataclass(frozen=True, slots=True)
class SmpPacket:
    """A message of SMP, its checksum right."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """What is neither packet nor frame: a line with its newline, or a part of one."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """Something was lost."""

    kind: Literal["packet", "frame"]
    reason: FrameFault


Event: TypeAlias = SmpPacket | Text | Bad


class LineReader:
    """Bytes in, packets and text out; no input raises. A message of more than ``max_message_bytes`` is lost."""

    def __init__(self, max_message_bytes: int = 0xFFFF) -> None:
        self._max_bytes = max_message_bytes + _CHECKSUM_BYTES
        self._packet: Literal["none", "open", "lost"] = "none"
        self._where: Literal["outside", "line", "skip"] = "outside"
        self._mark = 0  # the first byte of a mark, if that came last
        self._group = b""  # characters of base64, fewer than four
        self._padded = False
        self._decoded = bytearray()
        self._text = bytearray()
        self._events: list[Event] = []

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes complete."""
        at = 0
        while at < len(data):
            if self._mark:
                at += self._after_mark(data[at])
            elif data[at] in _MARKS:
                self._mark = data[at]
                at += 1
            elif self._where == "line":
                at = self._inside(data, at)
            else:
                at = self._outside(data, at)
        return self._taken()

    def cut(self) -> list[Event]:
        """Something else begins here: text and line are at an end."""
        if self._mark:
            self._stray()
        if self._where == "line":
            self._lose("truncated")
        self._where = "outside"
        return self.flush()

    def flush(self) -> list[Event]:
        """The text that waits for the end of its line."""
        self._end_text()
        return self._taken()

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _outside(self, data: bytes, at: int) -> int:
        """Up to the end of a line, or what may begin one."""
        found = _END.search(data, at)
        end = found.end() if found and found[0] == b"\n" else found.start() if found else len(data)
        if self._where == "outside":
            end = min(end, at + MAX_TEXT_BYTES - len(self._text))
            self._text += data[at:end]
            if len(self._text) == MAX_TEXT_BYTES or data[end - 1 : end] == b"\n":
                self._end_text()
        elif data[end - 1 : end] == b"\n":
            self._where = "outside"
        return end

    def _end_text(self) -> None:
        if self._text:
            self._events.append(Text(bytes(self._text)))
            self._text.clear()

    def _after_mark(self, second: int) -> int:
        """How many bytes were used up: one, if this is the second of a mark."""
        if second != _MARKS[self._mark]:
            self._stray()
            return 0
        self._end_text()
        if self._mark == _BEGIN[0]:
            if self._packet == "open":
                self._lose("truncated")
            self._packet, self._where = "open", "line"
            self._group, self._padded = b"", False
            self._decoded.clear()
        elif self._packet == "none":
            self._lose("malformed")
        elif self._packet == "open" and self._where == "line":
            self._lose("truncated")
        else:
            self._where = "line" if self._packet == "open" else "skip"
            self._padded = False
        self._mark = 0
        return 1

    def _stray(self) -> None:
        """The first byte of a mark that was none."""
        if self._where == "outside":
            self._text.append(self._mark)
            if len(self._text) == MAX_TEXT_BYTES:
                self._end_text()
        elif self._where == "line":
            self._lose("malformed")
        self._mark = 0

    def _inside(self, data: bytes, at: int) -> int:
        """Digits, or the one byte after them."""
        digits = _DIGITS.match(data, at)
        if digits:
            if self._padded:
                self._lose("malformed")
            else:
                self._decode(digits[0])
            return digits.end()
        if data[at : at + 1] == b"\n":
            self._end_line()
            self._where = "outside"
        elif data[at : at + 1] == b"=" and len(self._group) >= 2:
            self._padded = True
            self._decode(b"=")
        else:
            self._lose("malformed")
        return at + 1

    def _decode(self, characters: bytes) -> None:
        characters = self._group + characters
        whole = len(characters) // 4 * 4
        self._group = characters[whole:]
        self._decoded += binascii.a2b_base64(characters[:whole])
        if len(self._decoded) < _LENGTH_BYTES:
            return
        length = self._length()
        if length < _CHECKSUM_BYTES:
            self._lose("malformed")
        elif length > self._max_bytes:
            self._lose("too large")
        elif len(self._decoded) > _LENGTH_BYTES + length:
            self._lose("malformed")

    def _length(self) -> int:
        return int.from_bytes(self._decoded[:_LENGTH_BYTES], "big")

    def _end_line(self) -> None:
        if self._group:
            self._lose("malformed")
        elif len(self._decoded) >= _LENGTH_BYTES and len(self._decoded) == _LENGTH_BYTES + self._length():
            if binascii.crc_hqx(self._decoded[_LENGTH_BYTES:], 0):
                self._lose("corrupt")
            else:
                self._events.append(SmpPacket(bytes(self._decoded[_LENGTH_BYTES:-_CHECKSUM_BYTES])))
                self._packet = "none"

    def _lose(self, reason: FrameFault) -> None:
        self._events.append(Bad("packet", reason))
        self._packet, self._where = "lost", "skip"
