"""Which events the broker hangs up on. There are brokers that refuse a message (too large, not allowed) in no other way, and one
such event at the head of the outbox would hold up all others for ever.

Pure. Rules: an event that was unanswered when a connection ended is a suspect and goes alone the next time; one with which alone
the connection ended again and again is convicted and left out until the next round.
"""

from __future__ import annotations

from collections.abc import Collection

STRIKES = 2
"""Connections that may end with an event alone on its way: a network that comes and goes does that as well, but seldom twice."""


class Suspicion:
    """Outlives connections. Remembers those of the last connection and the convicted ones of a round."""

    def __init__(self) -> None:
        self._strikes: dict[int, int] = {}

    def is_suspect(self, seq: int) -> bool:
        """Whether this event is to be sent with no other on its way."""
        return seq in self._strikes

    def is_convicted(self, seq: int) -> bool:
        """Whether this event is to be left out."""
        return self._strikes.get(seq, 0) >= STRIKES

    def on_answered(self, seq: int) -> None:
        """The broker took the event, or refused it as it should."""
        self._strikes.pop(seq, None)

    def on_lost(self, unanswered: Collection[int]) -> None:
        """A connection ended while these events waited for their answer."""
        convicted = {seq: strikes for seq, strikes in self._strikes.items() if strikes >= STRIKES}
        alone = len(unanswered) == 1
        self._strikes = convicted | {seq: self._strikes.get(seq, 0) + alone for seq in unanswered}

    def on_round(self) -> None:
        """Everything is offered again: the convicted have one more chance."""
        self._strikes = {seq: min(strikes, STRIKES - 1) for seq, strikes in self._strikes.items()}
