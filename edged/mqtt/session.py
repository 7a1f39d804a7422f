"""One connection to a broker, from CONNECT to DISCONNECT, driven by the event loop through paho's interface for external loops.

Rules: a client object lives for one connection, so that nothing is ever queued in it for the next; at most ``window`` messages are
unacknowledged; a connection that is lost fails everything that waits for it.
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
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edged.core.errors import BrokerFault, BrokerRefused, BrokerUnreachable
from edged.mqtt.dial import dial
from edged.mqtt.endpoint import Endpoint
from edged.mqtt.reason import TOO_LARGE
from edged.mqtt.timing import Timing
from edged.mqtt.version import ProtocolVersion

WINDOW = 20
"""Messages on their way at most: mosquitto's own default, and what is sent twice at most after a connection is lost."""

HEADER_BYTES = 5 + 2 + 2 + 1
"""Of a PUBLISH at most, besides topic and payload: type and length, topic length, packet identifier, no properties."""

NO_LIMIT_BYTES = 1 << 28
"""What MQTT can express at all."""

LOGIN_REFUSALS = frozenset({"Bad user name or password", "Not authorized"})
"""Brokers answer either to a wrong password (MQTT 5.0, section 3.2.2.2; paho translates the codes of 3.1.1)."""

TICK_S = 1.0

CANNOT_PARSE = (MQTTException, ValueError, LookupError, TypeError, struct.error, OSError)
"""What paho was seen to raise, or may by its code, for packets that make no sense."""


class ProtocolRefused(BrokerRefused):
    """The broker does not speak this version of MQTT."""


class Unanswered(BrokerUnreachable):
    """Something took the connection and did not answer CONNECT, which is how some brokers refuse a version."""


class Session:
    """An accepted connection. Made by ``connect``; used by the event loop that made it."""

    def __init__(self, endpoint: Endpoint, version: ProtocolVersion, timing: Timing) -> None:
        self._endpoint = endpoint
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._tick_s = min(TICK_S, timing.acknowledge_s / 4)
        self._ticker: asyncio.TimerHandle | None = None
        self._window = asyncio.Semaphore(WINDOW)
        self._max_packet_bytes = NO_LIMIT_BYTES
        self._unacknowledged: dict[int, tuple[asyncio.Future[int], float]] = {}
        self._accepted: asyncio.Future[Properties | None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # Whoever cares awaits them; that nobody does is no fault.
        self._accepted.add_done_callback(_look_at)
        self._ended.add_done_callback(_look_at)
        self._client = self._make_client(version)

    @classmethod
    @asynccontextmanager
    async def connect(cls, endpoint: Endpoint, version: ProtocolVersion, timing: Timing) -> AsyncIterator[Session]:
        """Connect, and hang up at the end, upon which the broker sends the will unless ``disconnect`` was called before.

        Raises BrokerRefused (ProtocolRefused) or BrokerUnreachable (Unanswered).
        """
        session = cls(endpoint, version, timing)
        clean_start = True if version == "5" else MQTT_CLEAN_START_FIRST_ONLY
        await dial(session._client, endpoint, clean_start, timing.connect_s)
        session._attach()
        try:
            await session._accept()
            yield session
        finally:
            session._hang_up(BrokerUnreachable(f"the connection to {endpoint.address} is closed"))

    async def lost(self) -> None:
        """Wait for the end of the connection; raises BrokerUnreachable that says why."""
        await asyncio.shield(self._ended)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[int]:
        """Send with QoS 1 as soon as the window has room.

        Returns the future of the acknowledgement's reason code (always 0 with 3.1.1). It raises BrokerUnreachable if the
        connection is lost before, as does this call. What is larger than the broker takes is refused here: sent, it would end
        the connection, and the next one, and with it everything behind it.
        """
        acknowledgement: asyncio.Future[int] = self._loop.create_future()
        acknowledgement.add_done_callback(_look_at)
        if not self._fits(topic, payload):
            acknowledgement.set_result(TOO_LARGE)
            return acknowledgement
        await self._window.acquire()
        if not self._ended.done():
            info = self._client.publish(topic, payload, qos=1, retain=retain)
            if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._unacknowledged[info.mid] = (acknowledgement, self._loop.time())
                return acknowledgement
            self._hang_up(BrokerUnreachable(f"the connection to {self._endpoint.address} is lost: {info.rc.name}"))
        self._window.release()
        self._ended.result()
        raise AssertionError("a session that ended has a reason")

    def offer(self, topic: str, payload: bytes) -> bool:
        """Send with QoS 0 if nothing is waiting to be sent; ``False`` if it was dropped."""
        if self._ended.done() or self._client.want_write() or not self._fits(topic, payload):
            return False
        return self._client.publish(topic, payload, qos=0).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    async def disconnect(self) -> None:
        """Take leave of the broker: it does not send the will. Returns when the connection is gone."""
        self._client.disconnect()
        with contextlib.suppress(BrokerUnreachable):
            await self.lost()

    def _fits(self, topic: str, payload: bytes) -> bool:
        return HEADER_BYTES + len(topic.encode()) + len(payload) <= self._max_packet_bytes

    # Connecting and closing

    def _make_client(self, version: ProtocolVersion) -> Client:
        endpoint = self._endpoint
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=endpoint.client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311,
            clean_session=None if version == "5" else True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = self._timing.connect_s
        client.max_inflight_messages_set(0)  # paho would queue what is beyond it; our window never lets it come so far
        client.will_set(endpoint.will_topic, endpoint.will, qos=1, retain=True)
        if endpoint.username is not None:
            client.username_pw_set(endpoint.username, endpoint.password)
        if endpoint.tls is not None:
            client.tls_set_context(endpoint.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _attach(self) -> None:
        """Hand the socket over to the event loop. The callbacks for it are set only now: dialling ran in a thread."""
        loop, client, sock = self._loop, self._client, self._client.socket()
        if sock is None:
            self._end(BrokerUnreachable(f"{self._endpoint.address} hung up at once", fault="no answer"))
            return
        client.on_socket_register_write = lambda _client, _data, sock: loop.add_writer(sock, self._on_writable)
        client.on_socket_unregister_write = lambda _client, _data, sock: _detach(loop.remove_writer(sock))
        client.on_socket_close = lambda _client, _data, sock: _detach(loop.remove_reader(sock))
        loop.add_reader(sock, self._on_readable)
        if client.want_write():
            loop.add_writer(sock, self._on_writable)
        self._ticker = loop.call_later(self._tick_s, self._tick)

    async def _accept(self) -> None:
        address = self._endpoint.address
        try:
            async with asyncio.timeout(self._timing.connect_s):
                limits = await self._accepted
        except TimeoutError as error:
            raise Unanswered(
                f"{address} does not answer CONNECT within {self._timing.connect_s:g} s",
                hint="is it an MQTT broker?",
                fault="no answer",
            ) from error
        self._window = asyncio.Semaphore(min(WINDOW, getattr(limits, "ReceiveMaximum", WINDOW)))
        self._max_packet_bytes = getattr(limits, "MaximumPacketSize", NO_LIMIT_BYTES)

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
        for acknowledgement, _ in self._unacknowledged.values():
            if not acknowledgement.done():
                acknowledgement.set_exception(error)
            self._window.release()  # whoever waits for room learns of the end
        self._unacknowledged.clear()

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
        oldest_s = next((sent_s for _, sent_s in self._unacknowledged.values()), None)
        if oldest_s is not None and self._loop.time() - oldest_s > self._timing.acknowledge_s:
            waited = f"{self._timing.acknowledge_s:g} s"
            self._hang_up(BrokerUnreachable(f"{self._endpoint.address} has not acknowledged a message for {waited}"))

    # What paho calls

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if self._accepted.done():
            return
        if not reason.is_failure:
            self._accepted.set_result(properties)
            return
        self._end(_refusal(self._endpoint, reason))

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        address = self._endpoint.address
        if not self._accepted.done():
            self._end(
                Unanswered(
                    f"{address} closed the connection without answering CONNECT", hint="is it an MQTT broker?", fault="no answer"
                )
            )
        elif flags.is_disconnect_packet_from_server:
            hint = "another client uses the same client_id" if str(reason) == "Session taken over" else ""
            self._end(BrokerUnreachable(f"{address} closed the connection: {reason}", hint=hint))
        elif str(reason) == "Unspecified error":  # paho's word for a socket that was closed
            hint = f"if that happens again and again, another client may use the client_id {self._endpoint.client_id!r}"
            self._end(BrokerUnreachable(f"the connection to {address} is lost: it was closed without a reason", hint=hint))
        else:
            self._end(BrokerUnreachable(f"the connection to {address} is lost: {reason}"))

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None) -> None:
        acknowledgement, _ = self._unacknowledged.pop(mid, (None, 0.0))
        if acknowledgement is not None:  # QoS 0 is told about as well
            self._window.release()
            if not acknowledgement.done():
                acknowledgement.set_result(reason.value)


def _refusal(endpoint: Endpoint, reason: ReasonCode) -> BrokerRefused:
    message = f"{endpoint.address} refuses the connection: {reason}"
    if reason == ReasonCode(PacketTypes.CONNACK, "Unsupported protocol version"):
        return ProtocolRefused(message, hint="set protocol to the version that the broker speaks", fault="protocol refused")
    user = f"user {endpoint.username!r}" if endpoint.username is not None else "no user name"
    fault: BrokerFault = "login refused" if str(reason) in LOGIN_REFUSALS else "refused"
    return BrokerRefused(message, hint=f"edged logged in with {user} and client_id {endpoint.client_id!r}", fault=fault)


def _look_at(future: asyncio.Future[Any]) -> None:
    """Mark a failure as seen, so that asyncio does not report it when nobody waited."""
    if not future.cancelled():
        future.exception()


def _detach(_removed: bool) -> None:
    """Drop what the event loop answers; paho's callbacks return nothing."""
