"""How often something was tried on a board that is there and does not answer, and how long it is left in peace."""

from __future__ import annotations

import random

from edged.core.backoff import Backoff

TOLD_AFTER = 3
"""Tries without an answer: a line that is noisy for a moment is nobody's business."""

PAUSE_MAX_S = 600.0


class Tries:
    """The first pause is ``minimum_s`` or longer, the later ones grow."""

    def __init__(self, minimum_s: float) -> None:
        self.pause_s = minimum_s
        self._count = 0
        self._backoff = Backoff(minimum_s, max(minimum_s, PAUSE_MAX_S), random.random)

    def failed(self) -> int:
        """Once more; how often by now."""
        self._count += 1
        self.pause_s = self._backoff.next_delay_s()
        return self._count
