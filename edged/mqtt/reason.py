"""What a broker says to a message (MQTT 5.0, table 3-4)."""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

FIRST_REFUSAL = 0x80
NO_MATCHING_SUBSCRIBERS = 0x10
"""Taken, and nobody is there; brokers may say so, and need not."""

TOO_LARGE = 0x95
"""A reason to hang up rather than an answer; ours to a message that the broker would hang up on."""


def is_refusal(reason: int) -> bool:
    """Whether the message was not taken."""
    return reason >= FIRST_REFUSAL


def describe(reason: int) -> str:
    """The code in the specification's words."""
    packet = PacketTypes.DISCONNECT if reason == TOO_LARGE else PacketTypes.PUBACK
    try:
        return f"{ReasonCode(packet, identifier=reason)} (0x{reason:02x})"
    except KeyError:
        return f"unknown reason 0x{reason:02x}"


def describe_subscription(reason: ReasonCode) -> str:
    """Why a subscription was refused; 3.1.1 has one code for all reasons."""
    return f"{reason} (0x{reason.value:02x})"
