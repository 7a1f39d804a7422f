"""What a soak must show, and whether it did. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from soak.growth import growth, slope
from soak.record import PROCESSES, Record
from soak.shares import fairness

MAX_MB_PER_HOUR = 4.0
"""1 MB in a quarter of an hour. At that rate a daemon of 150 MB has grown by 100 MB in a day; caches that still fill are slower."""

JUDGED_AFTER_S = 600
"""In a shorter run the caches of SQLite and of the allocator still fill; its slope is told and not judged."""

MIN_FAIRNESS = 0.8

CONTENDED = 0.5
"""Of the windows. Where the accelerator keeps up, fairness says nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was promised: what was measured, what it has to be, and whether it was."""

    what: str
    measured: str
    promised: str
    kept: bool


def judge(record: Record) -> list[Finding]:
    """Every promise."""
    return [*_growth(record), *_fairness(record), *_whole(record)]


def drift_mb_per_h(record: Record, process: str) -> float:
    """How fast the memory of a process grew in the second half."""
    half_s = (record.began_s + record.ended_s) / 2
    return 3600 * slope([(sample.at_s, sample.rss_mb) for sample in record.of(process) if sample.at_s >= half_s])


def levels(record: Record, process: str, quantity: str) -> list[float]:
    """The usual value of ``fds`` or ``threads`` in each rest that counts."""
    rests = [record.at_rest(rest, process) for rest in record.settled()]
    return [statistics.median(getattr(sample, quantity) for sample in samples) for samples in rests if samples]


def _growth(record: Record) -> Iterator[Finding]:
    judged = record.ended_s - record.began_s >= JUDGED_AFTER_S
    for process in PROCESSES:
        drift = drift_mb_per_h(record, process)
        promised = f"< {MAX_MB_PER_HOUR:g} MB an hour" if judged else f"judged after {JUDGED_AFTER_S} s"
        yield Finding(
            f"{process}: memory in the second half", f"{drift:+.1f} MB an hour", promised, drift < MAX_MB_PER_HOUR or not judged
        )
        for quantity in ("fds", "threads"):
            found = levels(record, process, quantity)
            grown = growth(found)
            measured = f"{found[0]:g} -> {found[-1]:g} over {len(found)} rests" if found else "no rest"
            yield Finding(f"{process}: {quantity} at rest", measured, "no more than before", len(found) > 1 and grown < 1)


def _fairness(record: Record) -> Iterator[Finding]:
    windows = list(record.windows())
    share = sum(window.contended for window in windows) / len(windows) if windows else 0.0
    yield Finding("time in which more frames came than were inferred", f"{share:.0%}", f">= {CONTENDED:.0%}", share >= CONTENDED)
    found = fairness(windows)
    measured = "nobody had to share" if found is None else f"{found:.3f}"
    yield Finding("fairness between the cameras", measured, f">= {MIN_FAIRNESS}", found is not None and found >= MIN_FAIRNESS)


def _whole(record: Record) -> Iterator[Finding]:
    ledger = record.ledger
    balance = f"{ledger.produced} events, {ledger.delivered} delivered, {ledger.dropped} dropped, {ledger.queued} queued"
    delivered = ledger.produced == ledger.delivered > 0 and not ledger.dropped and not ledger.queued
    yield Finding("the outbox at the end", balance, "all delivered", delivered)
    deaths = record.readings[-1].vision_restarts
    yield Finding("deaths of the vision process", str(deaths), "0", not deaths)
    yield Finding("exit status after SIGTERM", str(record.exit_status), "0", not record.exit_status)
