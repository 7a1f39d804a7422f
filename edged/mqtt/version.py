"""Which version of MQTT to speak. Pure."""

from __future__ import annotations

from typing import Literal

ProtocolVersion = Literal["5", "3.1.1"]


class VersionChoice:
    """Speaks what the broker was found to speak.

    There is no way to ask: a broker of 3.1.1 may refuse a CONNECT of version 5, close the connection, or never answer. Silence may
    also be an outage, so that a version that was answered once is only given up when it is refused.
    """

    def __init__(self, wanted: Literal["auto", "5", "3.1.1"]) -> None:
        self._fixed = wanted != "auto"
        self._answered = False
        self.version: ProtocolVersion = "5" if wanted == "auto" else wanted

    def on_accepted(self) -> None:
        """The broker accepted the version; it is kept."""
        self._answered = True

    def on_refused(self) -> bool:
        """The broker named the version as what it refuses; ``True`` if another is worth trying at once."""
        self._answered = False
        return self.on_silence()

    def on_silence(self) -> bool:
        """The broker did not answer, or hung up; ``True`` if another version is worth trying at once."""
        if self._fixed or self._answered:
            return False
        self.version = "3.1.1" if self.version == "5" else "5"
        return self.version == "3.1.1"  # back at 5 everything was tried: wait
