"""What updates need of a broker. ``edged.mqtt`` fits it.

Every call waits for a connection, and raises BrokerUnreachable if none comes or if it is lost meanwhile; BrokerRefused says that
the broker does not let us. Nothing here is believed: payloads are what anybody may have published.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Heard(Protocol):
    """A message; ``reply_to`` and ``correlation`` are those of a request (MQTT 5.0, section 4.10)."""

    @property
    def topic(self) -> str:
        """Where it was published."""

    @property
    def payload(self) -> bytes:
        """What it says."""

    @property
    def reply_to(self) -> str | None:
        """Where the answers are to go."""

    @property
    def correlation(self) -> bytes | None:
        """What they are to carry."""


class Carrier(Protocol):
    """A device's side of it."""

    async def fetch(self, topic: str, limit_bytes: int) -> bytes | None:
        """The retained payload of exactly this topic, ``None`` if the broker seems to have none: that can be late as well.

        Raises UpdateFailed ("oversized") if it is larger than ``limit_bytes``.
        """

    def watch(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Every payload of a topic, the retained one first, over all connections; of those that come faster than they are taken
        the newest alone."""

    async def keeps_retained(self) -> bool:
        """Whether the broker keeps retained messages at all, as far as it says."""

    async def can_request(self) -> bool:
        """Whether the broker knows requests, that is MQTT 5."""

    def request(self, topic: str, payload: bytes) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Publish a question; gives the payloads that answer it, as long as the connection lasts, and none if the broker knows that
        nobody listens to questions. Whoever asks sets the deadline."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1; returns when the broker has taken it."""


class Depot(Carrier, Protocol):
    """A publisher's side of it."""

    def collect(self, topics: str, *, room: int) -> AsyncIterator[Heard]:
        """What is retained under a filter, until nothing more comes. More than ``room`` at a time may get lost, here or at the
        broker."""

    def requests(self, topics: str) -> AbstractAsyncContextManager[AsyncIterator[Heard]]:
        """What comes under a filter from now on, over all connections."""

    async def answer(self, request: Heard, payload: bytes) -> None:
        """Answer a request, where it says and with what it says."""
