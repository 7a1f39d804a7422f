"""States that every new subscriber gets at once: the newest of each topic, published again on each connection."""

from __future__ import annotations

import asyncio
import logging

from edged.mqtt.reason import describe, is_refusal
from edged.mqtt.session import Session

log = logging.getLogger(__name__)


class Retained:
    """The newest payload of each topic: it replaces one that was not sent yet.

    Topics are as many as cameras and models, and those that are to be cleared at the next opportunity.
    """

    def __init__(self) -> None:
        self._payloads: dict[str, bytes] = {}
        self._unsent: dict[str, None] = {}  # an ordered set
        self._refused: set[str] = set()
        self._changed = asyncio.Event()

    def set(self, topic: str, payload: bytes) -> None:
        """Make this the state of ``topic``."""
        if self._payloads.get(topic) != payload:
            self._payloads[topic] = payload
            self._unsent[topic] = None
            self._changed.set()

    def clear(self, topic: str) -> None:
        """Let the broker forget the topic, now or when there is one again (MQTT 5.0, section 3.3.1.3: an empty payload)."""
        self.set(topic, b"")

    @property
    def waiting(self) -> int:
        """Topics whose newest state was not sent yet."""
        return len(self._unsent)

    async def publish(self, session: Session) -> None:
        """Publish all states, then each that changes, until the connection is lost (BrokerUnreachable)."""
        self._unsent = dict.fromkeys(self._payloads)
        while True:
            while self._unsent:
                topic = next(iter(self._unsent))
                del self._unsent[topic]
                payload = self._payloads[topic]
                acknowledgement = await session.publish(topic, payload, retain=True)
                self._note(topic, await acknowledgement)
                if not payload and not self._payloads[topic]:
                    del self._payloads[topic]
            self._changed.clear()
            await self._changed.wait()

    def _note(self, topic: str, reason: int) -> None:
        if not is_refusal(reason):
            self._refused.discard(topic)
        elif topic not in self._refused:
            self._refused.add(topic)
            log.error("the broker refuses the state %s: %s", topic, describe(reason))
