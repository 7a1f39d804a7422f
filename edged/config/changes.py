"""What differs between two configurations, by the keys of the file.

Pure. What is added to ``Settings`` shows here by itself, and counts as fixed until the daemon can change it while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from edged.config.lines import KeyPath
from edged.config.schema import Settings

BY_NAME = ("models", "cameras", "mcus")
"""Sections whose entries stand for themselves: one may change while the others stay."""

CHANGEABLE = frozenset({"models", "cameras", "mcus", "tracking", "store", "mqtt", "ota", "sinks"})
"""Sections that a running daemon can change. A device's name is in every topic and event id, its directory holds the store, and the
port of ``[metrics]`` was opened before the daemon ran."""


@dataclass(frozen=True, slots=True)
class Change:
    """The section or entry at ``key`` was added, removed or changed."""

    key: KeyPath
    what: Literal["added", "removed", "changed"]

    @property
    def needs_restart(self) -> bool:
        """Whether a running daemon cannot make it."""
        return self.key[0] not in CHANGEABLE

    def __str__(self) -> str:
        return f"{'.'.join(self.key)} {self.what}"


def compare(old: Settings, new: Settings) -> tuple[Change, ...]:
    """Every change from ``old`` to ``new``; empty if they are equal."""
    return tuple(change for field in fields(Settings) for change in _of_section(field.name, old, new))


def _of_section(name: str, old: Settings, new: Settings) -> Iterator[Change]:
    before, after = getattr(old, name), getattr(new, name)
    if name in BY_NAME:
        yield from _of_entries(name, before, after)
    elif name in CHANGEABLE:
        yield from _of_entries(name, {name: before}, {name: after})
    else:
        keys = [field.name for field in fields(after)]
        yield from _of_entries(name, *({key: getattr(section, key) for key in keys} for section in (before, after)))


def _of_entries(section: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Changes between the entries of one section; one that is ``None`` is not there."""
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name), after.get(name)
        key = (section,) if name == section else (section, name)
        if one != other:
            yield Change(key, "added" if one is None else "removed" if other is None else "changed")
