"""One serial port: what is said on it goes to whoever waits for it.

Rules: one owner, who opens and closes it with ``async with``; nothing here blocks the event loop; a packet is written whole,
however many ask at once; when the port is gone everyone who waits is told so, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import struct
import termios
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from edged.core.errors import FrameInvalid, PortLost
from edged.mcu import demux, packet, report
from edged.mcu.feed import Feed
from edged.mcu.opening import close_port, explained, take_port
from edged.mcu.settings import BAUD

if TYPE_CHECKING:
    import serial

T = TypeVar("T")

STUCK_S = 2.0
"""A port that takes nothing for so long, beyond what its rate explains, is held up by whatever is behind it."""

REOPENED_S = 0.1
"""Between two looks for a port that went away."""

_READ_BYTES = 1 << 16
_HEADER = struct.Struct(">BBHHBB")
_ANSWER = 1
"""What an answer's operation has more than that of its request."""
_OPERATION = 0b111
_BITS_PER_BYTE = 10
"""On the line, with start and stop bit."""

Key = tuple[int, int, int, int]


@dataclass(slots=True)
class Counters:
    """What a port has carried since it was opened, and what of it was lost."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    bad: int = 0
    """Packets and frames that arrived damaged."""
    strays: int = 0
    """Answers that nobody waited for: late ones, and repeated ones."""
    reports: int = 0


class Link:
    """An open port; see the rules above. Every method that waits raises PortLost once it is gone."""

    def __init__(self, path: Path | str, baud: int = BAUD) -> None:
        self.path = Path(path)
        self.baud = baud
        self.counters = Counters()
        self._port: serial.Serial | None = None
        self._lost: PortLost | None = None
        self._demultiplexer = demux.Demultiplexer()
        self._writing = asyncio.Lock()
        self._outgoing = bytearray()
        self._drained = asyncio.Event()
        self._waiting: dict[Key, asyncio.Future[bytes]] = {}
        self._reports: weakref.WeakSet[Feed[report.Report]] = weakref.WeakSet()
        self._events: weakref.WeakSet[Feed[demux.Event]] = weakref.WeakSet()

    async def __aenter__(self) -> Link:
        try:
            self._port = take_port(self.path, self.baud)
        except PortLost as error:
            raise await asyncio.to_thread(explained, self.path, error) from error
        asyncio.get_running_loop().add_reader(self._port.fd, self._read)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._lost is None:
            self._lose(PortLost(f"{self.path} was closed"))

    async def reopen(self, within_s: float) -> None:
        """Have the port again, after it went away with a board that starts again; raises PortLost.

        Whoever listened before heard the end, and may listen again.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        while True:
            try:
                port = take_port(self.path, self.baud)
                break
            except PortLost as error:  # not there, or not yet ours: udev sets its rights a moment after it made it
                if loop.time() >= deadline_s:
                    why = f"{self.path} did not come back within {within_s:.0f} s after the board was reset: {error.message}"
                    raise PortLost(
                        why, hint="Plug the board in anew, and look with `edged mcu list`.", fault=error.fault
                    ) from error
            await asyncio.sleep(REOPENED_S)
        self._port, self._lost = port, None
        self._demultiplexer = demux.Demultiplexer()
        self._outgoing.clear()
        loop.add_reader(port.fd, self._read)

    @property
    def gaps(self) -> int:
        """Reports that the board numbered and that never came, since the port was opened last."""
        return self._demultiplexer.gaps

    def reports(self) -> Feed[report.Report]:
        """The reports from now on."""
        return self._listen(self._reports)

    def events(self) -> Feed[demux.Event]:
        """Everything from now on, as the demultiplexer tells it apart."""
        return self._listen(self._events)

    def wire_s(self, message_bytes: int) -> float:
        """How long the line takes for a message of this length."""
        return packet.wire_bytes(message_bytes) * _BITS_PER_BYTE / self.baud

    async def ask(self, message: bytes, answer_s: float) -> bytes:
        """Send an SMP message; the answer to it.

        Raises TimeoutError ``answer_s`` after the last of it was handed to the port, or if the port takes no more.

        The same message may be sent again: whichever answer comes first is the answer.
        """
        operation, _, _, group, sequence, command = _HEADER.unpack_from(message)
        key = ((operation & _OPERATION) | _ANSWER, group, sequence, command)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        try:
            await self._write_in_time(packet.encode(message))
            async with asyncio.timeout(answer_s):
                return await future
        finally:
            if self._waiting.get(key) is future:
                del self._waiting[key]
            if not future.cancel() and not future.cancelled():
                future.exception()  # perhaps nobody came to ask

    def _listen(self, feeds: weakref.WeakSet[Feed[T]]) -> Feed[T]:
        feed = Feed[T]()
        if self._lost is not None:
            feed.end(self._lost)
        feeds.add(feed)
        return feed

    async def _write_in_time(self, data: bytes) -> None:
        """Write one packet, once nobody else writes: whoever's packet finds no room gives up that one, and no other."""
        async with self._writing:
            try:
                async with asyncio.timeout(STUCK_S + 2 * (len(self._outgoing) + len(data)) * _BITS_PER_BYTE / self.baud):
                    await self._write(data)
            except TimeoutError:
                self._outgoing.clear()  # what is left of it is no packet any more
                if self._port is not None:
                    with contextlib.suppress(OSError, termios.error):  # gone as well, which the reader finds out
                        self._port.reset_output_buffer()
                raise

    async def _write(self, data: bytes) -> None:
        """Have the port take all of it, after what is left of a packet whose asker was cancelled."""
        self._outgoing += data
        self._drained.clear()
        self._flush()
        while self._outgoing and self._lost is None:
            await self._drained.wait()
        if self._lost is not None:
            raise self._lost

    def _flush(self) -> None:
        if self._port is None:
            return
        loop = asyncio.get_running_loop()
        try:
            taken = os.write(self._port.fd, self._outgoing) if self._outgoing else 0
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self._lose(self._vanished(error))
            return
        self.counters.tx_bytes += taken
        del self._outgoing[:taken]
        if self._outgoing:
            loop.add_writer(self._port.fd, self._flush)
        else:
            loop.remove_writer(self._port.fd)
            self._drained.set()

    def _read(self) -> None:
        assert self._port is not None
        try:
            data = os.read(self._port.fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(self._vanished(error))
            return
        if not data:
            if self._hung_up(self._port.fd):
                self._lose(self._vanished(OSError(errno.EIO, os.strerror(errno.EIO))))
            return
        self.counters.rx_bytes += len(data)
        for event in self._demultiplexer.feed(data):
            self._take(event)

    @staticmethod
    def _hung_up(fd: int) -> bool:
        """Whether an empty read says that the device is gone; a raw port also reads empty when there is nothing."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return any(bits & (select.POLLHUP | select.POLLERR) for _, bits in poll.poll(0))

    def _take(self, event: demux.Event) -> None:
        for listener in self._events:
            listener.put(event)
        match event:
            case demux.SmpPacket(message=message):
                self._answer(message)
            case demux.Report(frame=frame):
                try:
                    decoded = report.decode(frame)
                except FrameInvalid:
                    self.counters.bad += 1
                    return
                self.counters.reports += 1
                for feed in self._reports:
                    feed.put(decoded)
            case demux.Bad():
                self.counters.bad += 1

    def _answer(self, message: bytes) -> None:
        if len(message) < _HEADER.size:
            self.counters.bad += 1
            return
        operation, _, _, group, sequence, command = _HEADER.unpack_from(message)
        future = self._waiting.get((operation & _OPERATION, group, sequence, command))
        if future is None or future.done():
            self.counters.strays += 1
        else:
            future.set_result(message)

    def _vanished(self, error: OSError) -> PortLost:
        why = f"{self.path} is gone: {error.strerror}"
        return PortLost(why, hint="Is its cable still in, and its power on?", fault="vanished")

    def _lose(self, error: PortLost) -> None:
        self._lost = error
        if self._port is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._port.fd)
            loop.remove_writer(self._port.fd)
            close_port(self._port)
            self._port = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._drained.set()
        for feed in self._reports:
            feed.end(error)
        for listener in self._events:
            listener.end(error)
