"""What the publisher has done so far."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edged.mqtt.version import ProtocolVersion


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """Counters since the daemon started. Events are counted here as sent: one that was sent twice counts twice."""

    connected: bool = False
    since_ns: int = 0
    """When ``connected`` last changed, CLOCK_MONOTONIC."""
    version: ProtocolVersion | None = None
    """What the present connection speaks."""
    connections: int = 0
    published: int = 0
    acknowledged: int = 0
    refused: int = 0
    live_published: int = 0
    live_dropped: int = 0


class Meter:
    """Holds the newest ``stats``; everything here happens on one event loop."""

    def __init__(self, now_ns: int) -> None:
        self.stats = PublisherStats(since_ns=now_ns)

    def on_connected(self, version: ProtocolVersion, now_ns: int) -> None:
        """The broker accepted us."""
        connections = self.stats.connections + 1
        self.stats = replace(self.stats, connected=True, since_ns=now_ns, version=version, connections=connections)

    def on_lost(self, now_ns: int) -> None:
        """The connection ended."""
        self.stats = replace(self.stats, connected=False, since_ns=now_ns, version=None)

    def on_published(self) -> None:
        """An event was sent."""
        self.stats = replace(self.stats, published=self.stats.published + 1)

    def on_acknowledged(self) -> None:
        """The broker took an event."""
        self.stats = replace(self.stats, acknowledged=self.stats.acknowledged + 1)

    def on_refused(self) -> None:
        """The broker answered an event with an error."""
        self.stats = replace(self.stats, refused=self.stats.refused + 1)

    def on_live(self, *, published: bool) -> None:
        """Live tracks were sent, or dropped."""
        if published:
            self.stats = replace(self.stats, live_published=self.stats.live_published + 1)
        else:
            self.stats = replace(self.stats, live_dropped=self.stats.live_dropped + 1)
