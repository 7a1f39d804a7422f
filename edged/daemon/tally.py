"""Sums of counters that begin at nothing again: with each vision process, each camera that is opened anew, each publisher.

Pure. What is summed here never goes back while the daemon lives, which is what Prometheus asks of a counter.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from edged.core.latency import Latency

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")


class Tally(Generic[T]):
    """The sum of records of one kind, of which the fields named by ``gauges`` are not counters: their newest value stands."""

    def __init__(self, gauges: Collection[str]) -> None:
        self._gauges = frozenset(gauges)
        self._epoch: object = None
        self._highest: dict[str, Any] = {}
        self.total: T | None = None

    def note(self, record: T, epoch: object) -> T:
        """Take in a newer reading; those of another ``epoch`` began at nothing. Returns the sum.

        Within an epoch a counter that is less than before was read while it was written: it counts again once it is more.
        """
        if epoch != self._epoch:
            self._epoch, self._highest = epoch, {}
        grown = {field.name: self._grown(field.name, getattr(record, field.name)) for field in fields(record)}
        if self.total is not None:
            before = self.total
            grown = {name: by if name in self._gauges else getattr(before, name) + by for name, by in grown.items()}
        self.total = replace(record, **grown)
        return self.total

    def _grown(self, name: str, value: Any) -> Any:
        """By how much a counter grew; a gauge as it is."""
        if name in self._gauges:
            return value
        before = self._highest.get(name)
        if before is None:
            self._highest[name] = value
            return value
        if isinstance(value, Latency):
            self._highest[name] = value
            return value.since(before)
        self._highest[name] = max(before, value)
        return self._highest[name] - before
