"""What a board logs, in our log: so many lines, and of the others how many there were."""

from __future__ import annotations

import logging

from edged.core.bucket import Bucket
from edged.mcu.report import Log

log = logging.getLogger(__name__)

LOGS_HZ, LOGS = 1 / 6, 10
"""Lines of a board's log that reach ours."""


class BoardLog:
    """Of the microcontroller ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines = Bucket(LOGS_HZ, LOGS)
        self._muted = 0

    def take(self, line: Log, now_s: float) -> None:
        """It said this; CLOCK_MONOTONIC."""
        if not self._lines.take(now_s):
            self._muted += 1
            return
        more = f" ({self._muted} lines before were left out)" if self._muted else ""
        self._muted = 0
        text = "".join(character if character.isprintable() else "?" for character in line.text)
        log.log(min(max(line.level, logging.DEBUG), logging.ERROR), "mcu %s says: %s%s", self._name, text, more)
