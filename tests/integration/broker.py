"""What the broker tests share: a scripted stand-in for brokers that misbehave, a gate before a real one, a subscriber."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiomqtt

from edged.core.clock import ClockReading
from edged.core.event import SourceLost
from edged.mqtt.settings import MqttSettings
from edged.mqtt.timing import Timing
from edged.store.settings import StoreSettings
from edged.store.store import Store

FAST = Timing(retry_min_s=0.01, retry_max_s=0.1, refused_min_s=0.01, refused_max_s=0.1)
DEADLINE_S = 60.0
"""For what must happen; reached only by a failing test."""

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 3, 4, 8, 9, 12, 14

Verdict = Callable[[str], int | None]
"""The reason code that answers a message on this topic; ``None`` leaves it unacknowledged."""


def clock() -> ClockReading:
    return ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")


def lost(number: int, camera: str = "door") -> SourceLost:
    return SourceLost(camera, f"number {number}", time.monotonic_ns())


def settings_for(port: int, **changes: Any) -> MqttSettings:
    return MqttSettings(host="127.0.0.1", port=port, **changes)


@asynccontextmanager
async def open_store(directory: Path) -> AsyncIterator[Store]:
    async with Store.open(directory / "events.db", "pi", StoreSettings(), clock, publish=True) as store:
        yield store


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """The work beside the test, cancelled (and waited for) at the end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that only shows when it is looked at."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def until_queued(store: Store, count: int) -> None:
    """Wait until so many events are owed to the broker; what it took is noted some at a time."""
    async with asyncio.timeout(DEADLINE_S):
        while (await store.counts()).queued != count:
            await asyncio.sleep(0.005)


@dataclass
class Connection:
    """One client's visit to the stand-in."""

    version: int
    writer: asyncio.StreamWriter
    unacknowledged: list[int] = field(default_factory=list)


class StandIn:
    """A broker that does what the test says: ``answer`` gives the reply to CONNECT by protocol level (5, or 4 for 3.1.1), ``grant``
    the reason code that answers a subscription of MQTT 5 by its number, ``None`` for no answer."""

    def __init__(
        self,
        answer: Callable[[int], bytes | None] = lambda level: b"\x20\x03\0\0\0" if level == 5 else b"\x20\x02\0\0",
        verdict: Verdict = lambda topic: 0,
        grant: Callable[[int], int | None] = lambda number: None,
    ) -> None:
        self.answer = answer
        self.verdict = verdict
        self.grant = grant
        self.levels: list[int] = []
        self.published: list[tuple[str, bytes]] = []
        self.subscribed: list[int] = []  # packet identifiers
        self.most_unacknowledged = 0
        self.connections: list[Connection] = []
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self.connections:
            connection.writer.close()

    async def wait(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S), self._arrived:
            await self._arrived.wait_for(condition)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload in self.published if "/event/" in topic]

    def acknowledge_all(self) -> None:
        """Answer what was held back."""
        for connection in self.connections:
            for mid in connection.unacknowledged:
                self._puback(connection, mid, 0)
            connection.unacknowledged.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(0, writer)
        self.connections.append(connection)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await self._length(reader))
                async with self._arrived:
                    open_ = self._handle(connection, first, body)
                    self._arrived.notify_all()
                if not open_:
                    break
        writer.close()

    def _handle(self, connection: Connection, first: int, body: bytes) -> bool:
        kind = first >> 4
        if kind == CONNECT:
            connection.version = body[6]
            self.levels.append(body[6])
            reply = self.answer(body[6])
            connection.writer.write(reply or b"")
            return reply != b""
        if kind == PUBLISH:
            self._on_publish(connection, first, body)
        if kind == SUBSCRIBE:
            self.subscribed.append(int.from_bytes(body[:2]))
            reason = self.grant(len(self.subscribed))
            if reason is not None:
                connection.writer.write(bytes([SUBACK << 4, 4]) + body[:2] + bytes([0, reason]))
        if kind == PINGREQ:
            connection.writer.write(b"\xd0\0")
        return kind != DISCONNECT

    def _on_publish(self, connection: Connection, first: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2])
        topic, rest = body[2:end].decode(), body[end:]
        qos = first >> 1 & 3
        mid, rest = (int.from_bytes(rest[:2]), rest[2:]) if qos else (0, rest)
        if connection.version == 5:
            rest = rest[1 + rest[0] :]
        self.published.append((topic, rest))
        if not qos:
            return
        reason = self.verdict(topic)
        if reason is None:
            connection.unacknowledged.append(mid)
            self.most_unacknowledged = max(self.most_unacknowledged, len(connection.unacknowledged))
        else:
            self._puback(connection, mid, reason)

    def _puback(self, connection: Connection, mid: int, reason: int) -> None:
        tail = bytes([reason, 0]) if connection.version == 5 and reason else b""
        connection.writer.write(bytes([PUBACK << 4, 2 + len(tail)]) + mid.to_bytes(2) + tail)

    async def _length(self, reader: asyncio.StreamReader) -> int:
        length = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return length


class Gate:
    """A port before a broker, through which only those go who come while it is open. ``down_bytes`` came from the broker so far,
    with ``bytes_per_s`` no faster than that."""

    def __init__(self, port: int, *, bytes_per_s: float = 0.0) -> None:
        self._target = port
        self._bytes_per_s = bytes_per_s
        self._passing: set[asyncio.Task[Any]] = set()
        self.open = True
        self.down_bytes = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def deserted(self) -> None:
        """Wait until nobody is connected through it: ``down_bytes`` are all that they got."""
        await until(lambda: not self._passing)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)
        with contextlib.closing(writer), contextlib.suppress(ConnectionRefusedError):
            if self.open:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
                with contextlib.closing(far_writer):
                    await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer, down=True))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool = False) -> None:
        try:
            while data := await reader.read(16384 if self._bytes_per_s else 65536):
                self.down_bytes += len(data) * down
                writer.write(data)
                await writer.drain()
                if down and self._bytes_per_s:
                    await asyncio.sleep(len(data) / self._bytes_per_s)
        except ConnectionError:
            pass
        finally:
            writer.close()


class Listener:
    """A subscriber by an independent client library, which keeps what it hears."""

    def __init__(self) -> None:
        self.messages: list[aiomqtt.Message] = []
        self.cut = asyncio.Event()

    def payloads(self, part: str) -> list[bytes]:
        return [bytes(message.payload) for message in self.messages if part in str(message.topic)]

    def seqs(self) -> list[int]:
        return [json.loads(payload)["seq"] for payload in self.payloads("/event/")]

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[Self]:
        """Subscribed to everything, from now until the end; ``cut`` is set when the broker ended it, after all it had sent."""
        messages = self.messages

        class Keeping(asyncio.Queue[aiomqtt.Message]):  # the library's own queue forgets what was not fetched before a cut
            def put_nowait(self, item: aiomqtt.Message) -> None:
                messages.append(item)

        self.cut.clear()
        async with aiomqtt.Client("127.0.0.1", port, queue_type=Keeping) as client:
            await client.subscribe("#", qos=0)
            async with running(self._listen(client)):
                yield self

    async def _listen(self, client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for _ in client.messages:
                pass
        self.cut.set()
