"""How connections end, or never begin, in words for people."""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edged.core.errors import BrokerFault, BrokerRefused, BrokerUnreachable
from edged.mqtt.endpoint import Endpoint

LOGIN_REFUSALS = frozenset({"Bad user name or password", "Not authorized"})
"""Brokers answer either to a wrong password (MQTT 5.0, section 3.2.2.2; paho translates the codes of 3.1.1)."""


class ProtocolRefused(BrokerRefused):
    """The broker does not speak this version of MQTT."""


class RetainRefused(BrokerRefused):
    """The broker keeps no retained messages, and takes no will that is one (MQTT 5.0, section 3.2.2.3.5)."""


class Unanswered(BrokerUnreachable):
    """Something took the connection and did not answer CONNECT, which is how some brokers refuse a version."""


def refusal(endpoint: Endpoint, reason: ReasonCode) -> BrokerRefused:
    """The broker answered CONNECT with no."""
    message = f"{endpoint.address} refuses the connection: {reason}"
    if reason == ReasonCode(PacketTypes.CONNACK, "Unsupported protocol version"):
        return ProtocolRefused(message, hint="set protocol to the version that the broker speaks", fault="protocol refused")
    if reason == ReasonCode(PacketTypes.CONNACK, "Retain not supported"):
        return RetainRefused(message)
    user = f"user {endpoint.username!r}" if endpoint.username is not None else "no user name"
    fault: BrokerFault = "login refused" if str(reason) in LOGIN_REFUSALS else "refused"
    return BrokerRefused(message, hint=f"edged logged in with {user} and client_id {endpoint.client_id!r}", fault=fault)


def silence(endpoint: Endpoint, waited_s: float) -> Unanswered:
    """CONNECT was not answered."""
    message = f"{endpoint.address} does not answer CONNECT within {waited_s:g} s"
    return Unanswered(message, hint="is it an MQTT broker?", fault="no answer")


def hung_up(endpoint: Endpoint) -> Unanswered:
    """CONNECT was answered by hanging up."""
    message = f"{endpoint.address} closed the connection without answering CONNECT"
    return Unanswered(message, hint="is it an MQTT broker?", fault="no answer")


def loss(endpoint: Endpoint, reason: ReasonCode, *, by_broker: bool) -> BrokerUnreachable:
    """A connection that stood is gone; ``by_broker``: by a DISCONNECT that gives the reason."""
    address = endpoint.address
    if by_broker:
        hint = "another client uses the same client_id" if str(reason) == "Session taken over" else ""
        return BrokerUnreachable(f"{address} closed the connection: {reason}", hint=hint)
    if str(reason) == "Unspecified error":  # paho's word for a socket that was closed
        hint = f"if that happens again and again, another client may use the client_id {endpoint.client_id!r}"
        return BrokerUnreachable(f"the connection to {address} is lost: it was closed without a reason", hint=hint)
    return BrokerUnreachable(f"the connection to {address} is lost: {reason}")
