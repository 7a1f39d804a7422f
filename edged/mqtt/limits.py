"""What a broker takes, as it said when it accepted the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from paho.mqtt.properties import Properties

WINDOW = 20
"""Messages on their way at most: mosquitto's own default, and what is sent twice at most after a connection is lost."""

HEADER_BYTES = 5 + 2 + 2 + 1
"""Of a PUBLISH at most, besides topic and payload: type and length, topic length, packet identifier, length of the properties."""

NO_LIMIT_BYTES = 1 << 28
"""What MQTT can express at all."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``window`` is how many messages may be unacknowledged; ``retains``, whether retained messages are kept.

    A broker of 3.1.1 says nothing of these, and is believed to take what MQTT can express.
    """

    window: int = WINDOW
    max_packet_bytes: int = NO_LIMIT_BYTES
    retains: bool = True

    @classmethod
    def of(cls, properties: Properties | None) -> Self:
        """As the properties of a CONNACK state them (MQTT 5, 3.2.2.3)."""
        return cls(
            window=min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW)),
            max_packet_bytes=getattr(properties, "MaximumPacketSize", NO_LIMIT_BYTES),
            retains=getattr(properties, "RetainAvailable", 1) != 0,
        )

    def fits(self, topic: str, payload: bytes, properties_bytes: int = 0) -> bool:
        """Whether a message is not too large; one that is would end the connection."""
        return HEADER_BYTES + properties_bytes + len(topic.encode()) + len(payload) <= self.max_packet_bytes
