"""Works on a store, one step after the other, and writes the number of each step to stdout once it has returned. A process of its
own that is killed, or watched: ``worker.py DATABASE FIRST LAST [die]`` does steps FIRST to LAST - 1 and closes, or dies instead.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from edged.core.clock import ClockReading
from edged.core.event import ObjectAppeared, SourceLost
from edged.store import writer
from edged.store.settings import StoreSettings
from edged.store.store import Store

MAX_EVENTS = 100


def clock() -> ClockReading:
    """Stands still, so that the same steps leave the same rows."""
    return ClockReading(0, 10**18, "synchronised")


def append(first: int, count: int) -> Callable[[Store], Awaitable[object]]:
    return lambda store: store.append([SourceLost("door", f"number {first + n}", n) for n in range(count)])


def appear(store: Store) -> Awaitable[object]:
    return store.append([ObjectAppeared("door", "a-1", "person", 0.9, (0, 0, 1, 1), 0, None, "sha")])


STEPS: tuple[Callable[[Store], Awaitable[object]], ...] = (
    append(1, 30),
    lambda store: store.acknowledge(range(1, 11)),
    appear,
    append(32, 30),
    lambda store: store.acknowledge(range(15, 40), urgent=True),
    lambda store: store.close_interrupted(0),
    append(63, 60),  # more than are kept: the oldest go, delivered and undelivered
    lambda store: store.acknowledge(range(60, 90)),
)


async def work(database: Path, first: int, last: int, on_step: Callable[[int], None]) -> None:
    async with Store.open(database, "pi", StoreSettings(max_events=MAX_EVENTS), clock, publish=True) as store:
        for number in range(first, last):
            await STEPS[number](store)
            on_step(number + 1)


def confirm(number: int) -> None:
    os.write(1, b"%d\n" % number)
    if sys.argv[4:] and number == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    writer.GROUP_S = 0.0  # each step waits for its commit, and nobody comes to share it
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), confirm))
