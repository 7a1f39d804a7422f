"""Provisional: only SMP packets are told from text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SmpPacket:
    """Provisional."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """Provisional."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """Provisional."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """Provisional."""

    kind: str
    reason: str


Event = SmpPacket | Report | Text | Bad


class Demultiplexer:
    """Provisional."""

    def __init__(self) -> None:
        self._line = b""
        self._framed = b""
        self.gaps = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Provisional."""
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            start = max(line.rfind(b"\x06\x09"), line.rfind(b"\x04\x14"))
            if start < 0:
                yield Text(line + b"\n")
                continue
            if line[start] == 6:
                self._framed = b""
            try:
                self._framed += base64.b64decode(line[start + 2 :], validate=True)
            except ValueError:
                yield Bad("packet", "base64")
                continue
            if len(self._framed) >= 2 and len(self._framed) - 2 >= int.from_bytes(self._framed[:2], "big"):
                message, crc = self._framed[2:-2], self._framed[-2:]
                yield SmpPacket(message) if binascii.crc_hqx(message, 0) == int.from_bytes(crc, "big") else Bad("packet", "crc")
                self._framed = b""
