"""One connection to a broker, from CONNECT to DISCONNECT, driven by the event loop through paho's interface for external loops.

Rules: a client object lives for one connection, so that nothing is ever queued in it for the next; at most ``window`` messages are
unacknowledged; a connection that is lost fails everything that waits for it. What comes in is bounded (``client.py``,
``incoming.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edged.core.errors import BrokerRefused, BrokerUnreachable
from edged.mqtt.client import connect_properties, make_client, publish_properties
from edged.mqtt.dial import dial
from edged.mqtt.endings import hung_up, loss, refusal, silence
from edged.mqtt.endpoint import Endpoint
from edged.mqtt.incoming import Incoming, Message, Subscription
from edged.mqtt.limits import Limits
from edged.mqtt.pending import Pending, unwatched
from edged.mqtt.reason import TOO_LARGE, describe_subscription
from edged.mqtt.timing import Timing
from edged.mqtt.version import ProtocolVersion

TICK_S = 1.0

CANNOT_PARSE = (MQTTException, ValueError, LookupError, TypeError, struct.error, OSError)
"""What paho was seen to raise, or may by its code, for packets that make no sense."""


class Session:
    """An accepted connection. Made by ``connect``; used by the event loop that made it."""

    def __init__(self, endpoint: Endpoint, version: ProtocolVersion, timing: Timing) -> None:
        self._endpoint = endpoint
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._tick_s = min(TICK_S, timing.acknowledge_s / 4)
        self._ticker: asyncio.TimerHandle | None = None
        self._limits = Limits()
        self._window = asyncio.Semaphore(self._limits.window)
        self._unacknowledged: Pending[int] = Pending()
        self._unanswered: Pending[ReasonCode | None] = Pending()
        self._heard_s = 0.0
        self._accepted: asyncio.Future[Properties | None] = unwatched()
        self._ended: asyncio.Future[None] = unwatched()
        self._version: ProtocolVersion = version
        self._client = make_client(endpoint, version, timing.connect_s)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_unsubscribe = self._on_unsubscribe
        self._client.on_message = self._on_message
        self._incoming = Incoming(self._client.ack)

    @classmethod
    @asynccontextmanager
    async def connect(cls, endpoint: Endpoint, version: ProtocolVersion, timing: Timing) -> AsyncIterator[Session]:
        """Connect, and hang up at the end, upon which the broker sends the will unless ``disconnect`` was called before.

        Raises BrokerRefused (ProtocolRefused) or BrokerUnreachable (Unanswered).
        """
        session = cls(endpoint, version, timing)
        clean_start = True if version == "5" else MQTT_CLEAN_START_FIRST_ONLY
        await dial(session._client, endpoint, clean_start, connect_properties(version), timing.connect_s)
        session._attach()
        try:
            await session._accept()
            yield session
        finally:
            session._hang_up(BrokerUnreachable(f"the connection to {endpoint.address} is closed"))

    @property
    def version(self) -> ProtocolVersion:
        """What is spoken."""
        return self._version

    @property
    def retains(self) -> bool:
        """Whether the broker keeps retained messages; one of 3.1.1 does not say, and is believed to."""
        return self._limits.retains

    @property
    def ended(self) -> bool:
        """Whether the connection is lost."""
        return self._ended.done()

    async def lost(self) -> None:
        """Wait for the end of the connection; raises BrokerUnreachable that says why."""
        await asyncio.shield(self._ended)

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, reply_to: str | None = None, correlation: bytes | None = None
    ) -> asyncio.Future[int]:
        """Send with QoS 1 as soon as the window has room.

        Returns the future of the acknowledgement's reason code (always 0 with 3.1.1). It raises BrokerUnreachable if the
        connection is lost before, as does this call. What is larger than the broker takes is refused here: sent, it would end
        the connection, and the next one, and with it everything behind it. So would ``retain`` where the broker keeps nothing: it
        is left out there. ``reply_to`` and ``correlation`` need MQTT 5.
        """
        properties, properties_bytes = publish_properties(reply_to, correlation)
        if not self._limits.fits(topic, payload, properties_bytes):
            refused: asyncio.Future[int] = unwatched()
            refused.set_result(TOO_LARGE)
            return refused
        await self._window.acquire()
        if not self._ended.done():
            info = self._client.publish(topic, payload, qos=1, retain=retain and self._limits.retains, properties=properties)
            if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                return self._unacknowledged.add(info.mid)
            self._fail(info.rc)
        self._window.release()
        self._ended.result()
        raise AssertionError("a session that ended has a reason")

    @asynccontextmanager
    async def subscribed(
        self, topics: str, *, qos: int = 1, room: int = 1, as_published: bool = False
    ) -> AsyncIterator[Subscription]:
        """What is published on ``topics``, a topic or a filter, from the broker's answer on; the newest ``room`` messages wait.

        A message counts as retained that was there before; with ``as_published`` also one that is to be retained from now on, which
        a broker of 3.1.1 does not tell.

        Raises BrokerRefused if the broker does not let us; this and iterating raise BrokerUnreachable if the connection is lost.
        """
        subscription = self._incoming.open(topics, room)
        try:
            reason = await self._ask(*self._subscribe(topics, qos, as_published=as_published))
            if reason is not None and reason.is_failure:
                raise BrokerRefused(f"{self._endpoint.address} does not let us hear {topics}: {describe_subscription(reason)}")
            yield subscription
        finally:
            self._incoming.close(subscription)
            if not (self._ended.done() or subscription.left):
                self._send_unsubscribe(subscription)

    def _subscribe(self, topics: str, qos: int, *, as_published: bool) -> tuple[MQTTErrorCode, int | None]:
        if self._version != "5":
            return self._client.subscribe(topics, qos=qos)
        return self._client.subscribe(topics, options=SubscribeOptions(qos=qos, retainAsPublished=as_published))

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Hear no more of it. What the broker had sent before its answer to this can be taken when this returns."""
        if not subscription.left:
            await self._send_unsubscribe(subscription)

    def offer(self, topic: str, payload: bytes) -> bool:
        """Send with QoS 0 if nothing is waiting to be sent; ``False`` if it was dropped."""
        if self._ended.done() or self._client.want_write() or not self._limits.fits(topic, payload):
            return False
        return self._client.publish(topic, payload, qos=0).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    async def disconnect(self) -> None:
        """Take leave of the broker: it does not send the will. Returns when the connection is gone."""
        self._client.disconnect()
        with contextlib.suppress(BrokerUnreachable):
            await self.lost()

    def _send_unsubscribe(self, subscription: Subscription) -> asyncio.Future[ReasonCode | None]:
        subscription.left = True
        return self._ask(*self._client.unsubscribe(subscription.topics))

    def _ask(self, rc: MQTTErrorCode, mid: int | None) -> asyncio.Future[ReasonCode | None]:
        """The answer to a packet that was just sent; it raises BrokerUnreachable if the connection is lost before."""
        if rc != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            self._fail(rc)
        elif not self._ended.done():
            return self._unanswered.add(mid)
        lost: asyncio.Future[ReasonCode | None] = unwatched()
        if (error := self._ended.exception()) is not None:
            lost.set_exception(error)
        return lost

    def _fail(self, rc: MQTTErrorCode) -> None:
        self._hang_up(BrokerUnreachable(f"the connection to {self._endpoint.address} is lost: {rc.name}"))

    # Connecting and closing

    def _attach(self) -> None:
        """Hand the socket over to the event loop. The callbacks for it are set only now: dialling ran in a thread."""
        loop, client, sock = self._loop, self._client, self._client.socket()
        if sock is None:
            self._end(BrokerUnreachable(f"{self._endpoint.address} hung up at once", fault="no answer"))
            return
        if isinstance(sock, socket.socket):
            # What we say is small, and the broker's kernel acknowledges it up to 40 ms later: the next must not wait for that.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_socket_register_write = lambda _client, _data, sock: loop.add_writer(sock, self._on_writable)
        client.on_socket_unregister_write = lambda _client, _data, sock: _detach(loop.remove_writer(sock))
        client.on_socket_close = lambda _client, _data, sock: _detach(loop.remove_reader(sock))
        loop.add_reader(sock, self._on_readable)
        if client.want_write():
            loop.add_writer(sock, self._on_writable)
        self._ticker = loop.call_later(self._tick_s, self._tick)

    async def _accept(self) -> None:
        try:
            async with asyncio.timeout(self._timing.connect_s):
                properties = await self._accepted
        except TimeoutError as error:
            raise silence(self._endpoint, self._timing.connect_s) from error
        self._limits = Limits.of(properties)
        self._window = asyncio.Semaphore(self._limits.window)

    def _hang_up(self, error: BrokerUnreachable) -> None:
        """Close the socket, whatever state the connection is in."""
        self._end(error)
        client = self._client
        if (sock := client.socket()) is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            client.on_socket_close = client.on_socket_register_write = client.on_socket_unregister_write = None
            sock.close()

    def _end(self, error: BrokerUnreachable | BrokerRefused) -> None:
        if self._ended.done():
            return
        self._ended.set_exception(error)
        if self._ticker is not None:
            self._ticker.cancel()
        if not self._accepted.done():
            self._accepted.set_exception(error)
        for _ in range(self._unacknowledged.fail(error)):
            self._window.release()  # whoever waits for room learns of the end
        self._unanswered.fail(error)
        self._incoming.end(error)

    # What the event loop calls

    def _on_readable(self) -> None:
        try:
            if isinstance(sock := self._client.socket(), socket.socket):
                # Brokers hold a second small packet back until the kernel here has acknowledged the first (Nagle), which it puts
                # off by up to 40 ms unless it is asked again after each read. A full window would wait so long each time.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            self._client.loop_read()
            while isinstance(sock := self._client.socket(), ssl.SSLSocket) and sock.pending():
                self._client.loop_read()  # decrypted already: the loop will not see these bytes on the socket
        except CANNOT_PARSE as error:
            self._hang_up(BrokerUnreachable(f"{self._endpoint.address} sent what is not MQTT: {error}"))

    def _on_writable(self) -> None:
        self._client.loop_write()

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(self._tick_s, self._tick)
        self._client.loop_misc()
        too_old_s = self._loop.time() - self._timing.acknowledge_s
        waited = f"{self._timing.acknowledge_s:g} s"
        if (oldest_s := self._unacknowledged.oldest_s) is not None and oldest_s < too_old_s:
            self._hang_up(BrokerUnreachable(f"{self._endpoint.address} has not acknowledged a message for {waited}"))
        # The answer may stand behind messages that a slow network takes long for: silence counts, not the time alone.
        if (asked_s := self._unanswered.oldest_s) is not None and max(asked_s, self._heard_s) < too_old_s:
            self._hang_up(BrokerUnreachable(f"{self._endpoint.address} has not answered a subscription for {waited}"))

    # What paho calls

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if self._accepted.done():
            return
        if not reason.is_failure:
            self._accepted.set_result(properties)
            return
        self._end(refusal(self._endpoint, reason))

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._accepted.done():
            self._end(loss(self._endpoint, reason, by_broker=flags.is_disconnect_packet_from_server))
        else:
            self._end(hung_up(self._endpoint))

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None) -> None:
        if self._unacknowledged.settle(mid, reason.value):  # QoS 0 is told about as well
            self._window.release()

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._on_answer(mid, reasons[0] if reasons else None)

    def _on_unsubscribe(
        self, _client: Client, _data: Any, mid: int, _reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._on_answer(mid, None)

    def _on_answer(self, mid: int, reason: ReasonCode | None) -> None:
        self._heard_s = self._loop.time()
        self._unanswered.settle(mid, reason)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._heard_s = self._loop.time()
        properties = message.properties
        heard = Message(
            topic=message.topic,
            payload=bytes(message.payload),
            retained=message.retain,
            reply_to=getattr(properties, "ResponseTopic", None),
            correlation=getattr(properties, "CorrelationData", None),
        )
        self._incoming.put(heard, message.mid, message.qos)


def _detach(_removed: bool) -> None:
    """Drop what the event loop answers; paho's callbacks return nothing."""
