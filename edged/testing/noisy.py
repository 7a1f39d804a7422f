"""A bad cable: passes bytes between a device's port and another one, and spoils some as a schedule says.

``async with NoisyLine(device, faults) as line: Link(line.path)``. It knows packets by their newline, as loss and repetition hit
lines whole; a flip hits one bit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal

Fault = Literal["pass", "drop", "flip", "repeat", "truncate"]

_READ_BYTES = 1 << 16


def no_more(faults: list[Fault]) -> Callable[[], Fault]:
    """A schedule: these, one a line, and then none."""
    left: Iterator[Fault] = iter(faults)
    return lambda: next(left, "pass")


class NoisyLine:
    """``schedule`` is asked for each line of a packet, of both directions as they come; ``cut`` ends all, as a pulled cable."""

    def __init__(self, device: Path, schedule: Callable[[], Fault]) -> None:
        self._device = device
        self._schedule = schedule
        self._directory = tempfile.TemporaryDirectory(prefix="edged-line-")
        self.path = Path(self._directory.name) / "port"
        self.lines = 0
        self.cut_after: int | None = None
        """Pull the cable when so many lines have passed."""
        self._there = self._master = self._slave = -1
        self._rests: dict[int, bytes] = {}
        self._outgoing: dict[int, bytearray] = {}

    async def __aenter__(self) -> NoisyLine:
        self._there = os.open(self._device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._there)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.symlink_to(os.ttyname(self._slave))
        for fd, other in ((self._there, self._master), (self._master, self._there)):
            self._rests[fd], self._outgoing[fd] = b"", bytearray()
            asyncio.get_running_loop().add_reader(fd, self._pass_on, fd, other)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut()
        self._directory.cleanup()

    def cut(self) -> None:
        """Pull the cable; nothing passes any more."""
        loop = asyncio.get_running_loop()
        for fd in (self._there, self._master):
            if fd >= 0:
                loop.remove_reader(fd)
                loop.remove_writer(fd)
                os.close(fd)
        if self._slave >= 0:
            os.close(self._slave)
        self._there = self._master = self._slave = -1

    def _pass_on(self, fd: int, other: int) -> None:
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.cut()
            return
        *lines, self._rests[fd] = (self._rests[fd] + data).split(b"\n")
        for line in lines:
            self._send(other, self._spoilt(line + b"\n"))
            self.lines += 1
            if self.lines == self.cut_after:
                self.cut()
                return

    def _spoilt(self, line: bytes) -> bytes:
        match self._schedule():
            case "drop":
                return b""
            case "flip":
                middle = len(line) // 2
                return line[:middle] + bytes([line[middle] ^ 0x10]) + line[middle + 1 :]
            case "repeat":
                return line + line
            case "truncate":
                return line[: len(line) // 2]
        return line

    def _send(self, fd: int, data: bytes) -> None:
        self._outgoing[fd] += data
        self._flush(fd)

    def _flush(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(BlockingIOError):
            del self._outgoing[fd][: os.write(fd, self._outgoing[fd])]
        if self._outgoing[fd]:
            loop.add_writer(fd, self._flush, fd)
        else:
            loop.remove_writer(fd)
