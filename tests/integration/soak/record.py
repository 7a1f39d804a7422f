"""What was seen in a soak, and what follows from it for each camera. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import dropwhile, pairwise

from soak.process import Sample
from soak.reading import Counts, Reading
from soak.shares import Window

PROCESSES = ("main", "vision")


@dataclass(frozen=True, slots=True)
class Rest:
    """A stretch of time in which nothing was wrong, and the trouble before it."""

    after: str
    began_s: float
    ended_s: float

    def holds(self, at_s: float) -> bool:
        return self.began_s <= at_s <= self.ended_s


@dataclass(frozen=True, slots=True)
class Ledger:
    """The store's account of its events."""

    produced: int
    delivered: int
    dropped: int
    queued: int


@dataclass(slots=True)
class Record:
    """All that was seen. Times are CLOCK_MONOTONIC."""

    began_s: float
    ended_s: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    troubles: list[tuple[float, str]] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    ledger: Ledger = Ledger(0, 0, 0, 0)
    exit_status: int = 0

    def of(self, process: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.process == process]

    def at_rest(self, rest: Rest, process: str) -> list[Sample]:
        return [sample for sample in self.of(process) if rest.holds(sample.at_s)]

    def settled(self) -> list[Rest]:
        """The rests after every kind of trouble was met once: what is made at the first need is there by then."""
        kinds = {kind for _, kind in self.troubles}
        met = [{rest.after for rest in self.rests[: n + 1]} for n in range(len(self.rests))]
        return [rest for rest, before in zip(self.rests, met, strict=True) if before >= kinds]

    def counted(self) -> list[Reading]:
        """The readings from when every camera has counters: it has none before the first heartbeat, which frames may precede.

        From then on they are there, whatever happens; a reading without one of them is an error.
        """
        names = self.readings[-1].cameras.keys()
        return list(dropwhile(lambda reading: reading.cameras.keys() != names, self.readings))

    def windows(self) -> Iterator[Window]:
        """From one reading to the next that differs, while nothing was wrong."""
        counted = self.counted()
        for rest in self.rests:
            readings = [reading for reading in counted if rest.holds(reading.at_s)]
            for before, after in pairwise(readings):
                grown = {name: difference(before.cameras[name], counts) for name, counts in after.cameras.items()}
                if any(counts.captured for counts in grown.values()):
                    came = {name: counts.captured for name, counts in grown.items()}
                    yield Window(came, {name: counts.inferred for name, counts in grown.items()})

    def over_all(self) -> dict[str, Counts]:
        """What became of each camera's frames from the first rest on."""
        first, last = self._observed()
        return {name: difference(first.cameras[name], counts) for name, counts in last.cameras.items()}

    @property
    def observed_s(self) -> float:
        """How long that was."""
        first, last = self._observed()
        return last.at_s - first.at_s

    def _observed(self) -> tuple[Reading, Reading]:
        """The first reading of the first rest, and the last of all."""
        return next(reading for reading in self.counted() if reading.at_s >= self.rests[0].began_s), self.readings[-1]


def difference(before: Counts, after: Counts) -> Counts:
    return Counts(
        after.captured - before.captured,
        after.inferred - before.inferred,
        after.dropped - before.dropped,
        after.damaged - before.damaged,
        after.late - before.late,
        {stage: seconds - before.cpu_s[stage] for stage, seconds in after.cpu_s.items()},
        after.ages_s - before.ages_s,
    )
