"""Which versions and sequences may be compared: those of one channel, as long as one of the keys that signed them is in use.

The one rule for every floor, that of ``trust`` and that of the slots: a stolen key can sign the largest of numbers, and blocks
nothing for ever once it is replaced (TUF 1.0.34, 5.3.11); a device that is moved to another channel takes what that has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


def binding(keys: Iterable[str], before: Iterable[str]) -> bool:
    """Whether what was signed with the keys of these ids ``before`` binds those who sign now: one of them still does."""
    return not set(keys).isdisjoint(before)


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where sequences were counted: in a channel, ``<fleet>/<channel>``, by the keys of its targets."""

    channel: str
    keys: tuple[str, ...]

    def continues(self, before: Numbering) -> bool:
        """Whether sequences of ``before`` bind here."""
        return self.channel == before.channel and binding(self.keys, before.keys)
