"""A connection for updates, beside the publisher's: their chunks wait for nobody's events, nor events for chunks.

Rules: whoever asks waits for a connection, at most ``Timing.connect_s``; what was asked when one is lost fails, and is asked
again by whom it concerns. There is no queue here.

Absence. MQTT has no answer "nothing is retained": a broker sends what it has, in its own time. Those of one process send it with
SUBACK; clusters look it up elsewhere. So it has ``grace_s`` from SUBACK on to begin with it, and then the answer to UNSUBSCRIBE is
waited for: however slow the network, what was sent before that answer has come before it. Taken for absent wrongly, it is asked for
again: nothing depends on it but time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random as random_source
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace

from edged.core.errors import BrokerRefused, BrokerUnreachable, UpdateFailed
from edged.mqtt.endpoint import Endpoint, read_endpoint
from edged.mqtt.incoming import Message
from edged.mqtt.limits import WINDOW
from edged.mqtt.link import Link
from edged.mqtt.reason import NO_MATCHING_SUBSCRIBERS, describe, is_refusal
from edged.mqtt.session import Session
from edged.mqtt.settings import MqttSettings
from edged.mqtt.timing import Timing
from edged.mqtt.version import VersionChoice

SUFFIX = "-ota"
"""Of the client identifier: two connections with the same one throw each other out."""

GRACE_S = 2.0
"""mosquitto 2.0 was never seen to take 0.1 s, on a busy machine."""

CORRELATION_BYTES = 16


class MqttCarrier:
    """Used while ``run`` runs. ``reply_topic`` is where answers to this client's requests go, and nobody else's."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        reply_topic: str,
        *,
        timing: Timing = Timing(),  # noqa: B008 - frozen
        random: Callable[[], float] = random_source.random,
        grace_s: float = GRACE_S,
    ) -> None:
        self._settings = settings
        self._client_id = f"{settings.client_id or client_id}{SUFFIX}"
        self._reply_topic = reply_topic
        self._timing = timing
        self._grace_s = grace_s
        version = VersionChoice(settings.protocol)
        self._link = Link(self._endpoint, version, timing, random, meanwhile="updates wait", purpose=" for updates")
        self._session: Session | None = None
        self._connected = asyncio.Event()
        self._asking = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether a broker has us."""
        return self._session is not None

    async def run(self) -> None:
        """Keep connected, for ever."""
        await self._link.keep(self._serve)

    async def fetch(self, topic: str, limit_bytes: int) -> bytes | None:
        """The retained payload of a topic, or ``None``; see ``edged.ota.carrier`` and the head of this file."""
        session = await self._current()
        if not session.retains:
            return None
        async with session.subscribed(topic) as messages:
            try:
                async with asyncio.timeout(self._grace_s):
                    message: Message | None = await anext(messages)
            except TimeoutError:
                await session.unsubscribe(messages)
                message = messages.take()
        if message is None:
            return None
        if len(message.payload) > limit_bytes:
            what = f"{topic} holds {len(message.payload):,} bytes where at most {limit_bytes:,} belong"
            raise UpdateFailed("oversized", what)
        return message.payload or None

    @asynccontextmanager
    async def watch(self, topic: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Every payload of a topic, the retained one first, again with each connection; the newest alone if they come too fast."""
        async with aclosing(self._over_connections(topic, room=1)) as messages:
            yield (message.payload async for message in messages)

    async def can_request(self) -> bool:
        """Whether the broker speaks MQTT 5."""
        return (await self._current()).version == "5"

    @asynccontextmanager
    async def request(self, topic: str, payload: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """Publish a question with a topic for the answers; gives those that carry its mark, none where the broker says that nobody
        listens to questions. One question at a time."""
        async with self._asking:
            session, mark = await self._current(), secrets.token_bytes(CORRELATION_BYTES)
            async with session.subscribed(self._reply_topic, room=WINDOW) as messages:
                reason = await self._publish(session, topic, payload, reply_to=self._reply_topic, correlation=mark)
                heard = reason != NO_MATCHING_SUBSCRIBERS
                yield (message.payload async for message in messages if message.correlation == mark) if heard else _none()

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1 and wait until the broker has taken it; raises BrokerRefused with its reason."""
        session = await self._current()
        if retain and not session.retains:  # it would hang up
            raise BrokerRefused(f"{self._settings.address} keeps no retained messages")
        await self._publish(session, topic, payload, retain=retain)

    async def keeps_retained(self) -> bool:
        """Whether the broker keeps retained messages, as far as it says."""
        return (await self._current()).retains

    async def collect(self, topics: str, *, room: int) -> AsyncGenerator[Message, None]:
        """What is retained under a filter, until nothing came for as long as absence takes.

        With QoS 0: of 3,000 messages mosquitto queued 1,020 with QoS 1 (``max_queued_messages``) and sent all of them with QoS 0.
        """
        session = await self._current()
        async with session.subscribed(topics, qos=0, room=room) as messages:
            loop = asyncio.get_running_loop()
            until_s = loop.time() + self._grace_s
            with contextlib.suppress(TimeoutError):
                while loop.time() < until_s:  # also where messages that are not retained never cease
                    async with asyncio.timeout_at(until_s):
                        message = await anext(messages)
                    if message.retained:
                        yield message
                        until_s = loop.time() + self._grace_s
            await session.unsubscribe(messages)
            while (late := messages.take()) is not None:
                if late.retained:
                    yield late

    def requests(self, topics: str) -> AbstractAsyncContextManager[AsyncIterator[Message]]:
        """What comes under a filter, over all connections; the newest few if they come too fast."""
        return aclosing(self._over_connections(topics, room=WINDOW))

    async def answer(self, request: Message, payload: bytes) -> None:
        """Answer a request; raises BrokerRefused with the broker's reason, ValueError if it is no request."""
        if request.reply_to is None:
            raise ValueError("it asks for no answer")
        session = await self._current()
        await self._publish(session, request.reply_to, payload, correlation=request.correlation)

    async def _publish(
        self,
        session: Session,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        reply_to: str | None = None,
        correlation: bytes | None = None,
    ) -> int:
        sent = await session.publish(topic, payload, retain=retain, reply_to=reply_to, correlation=correlation)
        if is_refusal(reason := await sent):
            raise BrokerRefused(f"{self._settings.address} refuses {len(payload):,} bytes on {topic}: {describe(reason)}")
        return reason

    async def _over_connections(self, topics: str, *, room: int) -> AsyncGenerator[Message, None]:
        while True:
            await self._connected.wait()
            if (session := self._session) is None or session.ended:
                await asyncio.sleep(0)  # whoever serves it has yet to hear of it
                continue
            try:
                async with session.subscribed(topics, room=room) as messages:
                    async for message in messages:
                        yield message
            except BrokerUnreachable:
                continue

    async def _current(self) -> Session:
        try:
            async with asyncio.timeout(self._timing.connect_s):
                while (session := self._session) is None or session.ended:
                    await self._connected.wait()
                    await asyncio.sleep(0)
                return session
        except TimeoutError as error:
            raise BrokerUnreachable(f"no connection to {self._settings.address}") from error

    async def _serve(self, session: Session) -> None:
        self._session = session
        self._connected.set()
        try:
            await session.lost()
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.farewell_s):
                    await session.disconnect()
            raise
        finally:
            self._session = None
            self._connected.clear()

    async def _endpoint(self) -> Endpoint:
        endpoint = await asyncio.to_thread(read_endpoint, self._settings, self._client_id, None, b"")
        return replace(endpoint, client_id=self._client_id)


async def _none() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for payload in nothing:
        yield payload
