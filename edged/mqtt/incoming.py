"""What a connection hears: subscriptions, and the messages that wait in them.

Rules: every subscription has room for so many messages; where a further one comes, the oldest goes and is counted. A message is
acknowledged when it is taken, so that a broker which keeps to Receive Maximum never overfills one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from paho.mqtt.client import topic_matches_sub

from edged.core.errors import BrokerRefused, BrokerUnreachable

WILDCARDS = "+#"


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody published. ``retained``: it was there before we subscribed, or see ``Session.subscribed``. With ``reply_to``
    (and ``correlation``) it wants an answer (MQTT 5.0, section 4.10)."""

    topic: str
    payload: bytes = field(repr=False)
    retained: bool = False
    reply_to: str | None = None
    correlation: bytes | None = None


class Subscription:
    """The messages of one topic filter, one after the other, until the connection is lost: then it raises BrokerUnreachable."""

    def __init__(self, topics: str, room: int, acknowledge: Callable[[int, int], object]) -> None:
        self.topics = topics
        self.dropped = 0
        self.left = False
        self._room = room
        self._acknowledge = acknowledge
        self._waiting: deque[tuple[Message, int, int]] = deque()
        self._arrived = asyncio.Event()
        self._error: BrokerUnreachable | BrokerRefused | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while (message := self.take()) is None:
            if self._error is not None:
                raise self._error
            self._arrived.clear()
            await self._arrived.wait()
        return message

    def take(self) -> Message | None:
        """The oldest message, if one is there."""
        if not self._waiting:
            return None
        message, mid, qos = self._waiting.popleft()
        self._acknowledge(mid, qos)
        return message

    def put(self, message: Message, mid: int, qos: int) -> None:
        """A message has come."""
        if len(self._waiting) == self._room:
            self.take()
            self.dropped += 1
        self._waiting.append((message, mid, qos))
        self._arrived.set()

    def end(self, error: BrokerUnreachable | BrokerRefused) -> None:
        """Nothing more will come."""
        self._error = error
        self._arrived.set()


class Incoming:
    """The subscriptions of one connection. ``acknowledge`` gets packet identifier and QoS of what was taken."""

    def __init__(self, acknowledge: Callable[[int, int], object]) -> None:
        self._acknowledge = acknowledge
        self._subscriptions: dict[str, Subscription] = {}

    def open(self, topics: str, room: int) -> Subscription:
        """Begin to keep what comes; raises ValueError if somebody does already: leaving would end it for both."""
        if topics in self._subscriptions:
            raise ValueError(f"{topics} is subscribed to already")
        subscription = self._subscriptions[topics] = Subscription(topics, room, self._acknowledge)
        return subscription

    def close(self, subscription: Subscription) -> None:
        """Forget it, and what waits in it."""
        self._subscriptions.pop(subscription.topics, None)
        while subscription.take() is not None:
            pass

    def put(self, message: Message, mid: int, qos: int) -> None:
        """Hand a message to the subscription that it belongs to; what belongs to none came too late."""
        subscription = self._subscriptions.get(message.topic) or self._by_filter(message.topic)
        if subscription is None:
            self._acknowledge(mid, qos)
        else:
            subscription.put(message, mid, qos)

    def end(self, error: BrokerUnreachable | BrokerRefused) -> None:
        """The connection is lost."""
        for subscription in self._subscriptions.values():
            subscription.end(error)

    def _by_filter(self, topic: str) -> Subscription | None:
        for topics, subscription in self._subscriptions.items():
            if any(wildcard in topics for wildcard in WILDCARDS) and topic_matches_sub(topics, topic):
                return subscription
        return None
