"""paho's client as a connection needs it: made for one endpoint and version, and bounded in what it reads.

Rules: what a broker sends is untrusted. No packet larger than ``MAX_PACKET_BYTES`` is read (paho would go up to 256 MB), and no
message of QoS 2 is taken, which paho would keep until it is released: nothing here subscribes above QoS 1.
"""

from __future__ import annotations

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.mqtt.endpoint import Endpoint
from edged.mqtt.version import ProtocolVersion

ANNOUNCED_PACKET_BYTES = 72 * 1024
"""What brokers of MQTT 5 keep to. The largest that anybody here asks for is 64 KiB, with its topic and properties."""

MAX_PACKET_BYTES = 1024 * 1024
"""The end of the connection. With 3.1.1 nothing can be announced: what is larger than asked for is read and refused, but not beyond
this."""

RECEIVE_MAXIMUM = 20
"""Messages that the broker may send before they are acknowledged, which is when somebody takes them."""

PROPERTY_BYTES = 1 + 2
"""Of each property besides its value: identifier and length."""

QOS_2 = MessageType.PUBLISH | 2 << 1


class BoundedClient(Client):
    """paho has no limits of its own and no public place to set them; these two methods are where it reads and where it acts."""

    def _sock_recv(self, bufsize: int) -> bytes:
        # It asks for what is missing of a packet, so that the first question after a header tells the packet's size.
        if bufsize > MAX_PACKET_BYTES:
            raise ValueError(f"a packet of {bufsize} bytes")
        return super()._sock_recv(bufsize)

    def _packet_handle(self) -> MQTTErrorCode:
        if self._in_packet["command"] & 0xF6 == QOS_2:
            raise ValueError("a message of QoS 2, which was not asked for")
        return super()._packet_handle()


def make_client(endpoint: Endpoint, version: ProtocolVersion, connect_s: float) -> Client:
    """A client that is not connected yet. ``connect_s`` bounds its dialling."""
    client = BoundedClient(
        CallbackAPIVersion.VERSION2,
        client_id=endpoint.client_id,
        protocol=MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311,
        clean_session=None if version == "5" else True,
        reconnect_on_failure=False,
        manual_ack=True,  # when somebody takes the message: the broker holds the others back until then
    )
    client.connect_timeout = connect_s
    client.max_inflight_messages_set(0)  # paho would queue what is beyond it; our window never lets it come so far
    if endpoint.will_topic is not None:
        client.will_set(endpoint.will_topic, endpoint.will, qos=1, retain=endpoint.will_retained)
    if endpoint.username is not None:
        client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls is not None:
        client.tls_set_context(endpoint.tls)
    return client


def connect_properties(version: ProtocolVersion) -> Properties | None:
    """What CONNECT tells the broker of our limits; there is no way to tell one of 3.1.1."""
    if version != "5":
        return None
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    properties.MaximumPacketSize = ANNOUNCED_PACKET_BYTES
    return properties


def publish_properties(reply_to: str | None, correlation: bytes | None) -> tuple[Properties | None, int]:
    """The properties of a PUBLISH, and their size in bytes."""
    if reply_to is None and correlation is None:
        return None, 0
    properties, size_bytes = Properties(PacketTypes.PUBLISH), 0  # type: ignore[no-untyped-call]
    if reply_to is not None:
        properties.ResponseTopic = reply_to
        size_bytes += PROPERTY_BYTES + len(reply_to.encode())
    if correlation is not None:
        properties.CorrelationData = correlation
        size_bytes += PROPERTY_BYTES + len(correlation)
    return properties, size_bytes
