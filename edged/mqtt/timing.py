"""How long the publisher waits for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Deadlines and pauses in seconds."""

    connect_s: float = 10.0
    """For the network and TLS, and again for the broker's answer to CONNECT."""

    acknowledge_s: float = 30.0
    """A broker that leaves a message unacknowledged for so long has lost it: the connection is made anew."""

    farewell_s: float = 2.0
    """For saying "offline" and settling acknowledgements when stopped."""

    retry_min_s: float = 1.0
    """The shortest pause before connecting again."""

    retry_max_s: float = 60.0
    """The longest one, also before a message that the broker refused is offered again."""

    refused_min_s: float = 30.0
    """The shortest pause after the broker said no: a person has to mend that, and some brokers ban who tries too often."""

    refused_max_s: float = 600.0
    """The longest one."""

    held_s: float = 10.0
    """A connection that lived for so long was a success: the pauses begin at the shortest again."""
