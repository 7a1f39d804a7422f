"""How long what failed waits until it is tried again. Pure: times go in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edged.core.backoff import Backoff
from edged.ota.target import SignedTarget

RETRY_MIN_S = 5.0
RETRY_MAX_S = 3600.0
"""Between attempts at the same target. What fails for hours (a full disk, a broker that lacks chunks) waits for a person."""


@dataclass(frozen=True, slots=True)
class _Pause:
    signed: SignedTarget
    until_ns: int
    may_hurry: bool


class Pauses:
    """One for each followed thing, for the target of it that failed last. Times are CLOCK_MONOTONIC."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._backoffs: dict[str, Backoff] = {}
        self._pauses: dict[str, _Pause] = {}

    def begin(self, signed: SignedTarget, now_ns: int, *, may_hurry: bool) -> float:
        """It failed; for how many seconds it waits, longer each time. ``may_hurry``: ``hurry`` may end that."""
        backoff = self._backoffs.setdefault(signed.path, Backoff(RETRY_MIN_S, RETRY_MAX_S, self._random))
        if (before := self._pauses.get(signed.path)) is None or before.signed != signed:
            backoff.reset()
        delay_s = backoff.next_delay_s()
        self._pauses[signed.path] = _Pause(signed, now_ns + round(delay_s * 1e9), may_hurry)
        return delay_s

    def left_s(self, signed: SignedTarget, now_ns: int) -> float | None:
        """How long it still waits; ``None`` for not at all."""
        pause = self._pauses.get(signed.path)
        if pause and pause.signed == signed and pause.until_ns > now_ns:
            return (pause.until_ns - now_ns) / 1e9
        return None

    def hurry(self, path: str) -> bool:
        """What it waits for is there; whether that ends its pause."""
        pause = self._pauses.get(path)
        if pause is None or not pause.may_hurry:
            return False
        del self._pauses[path]
        return True
