"""Checks that run at the same time, each with a deadline: one that hangs holds up no other, nor the end of the program.

A check that hangs in the kernel (a network drive, a failing disk) cannot be ended: its thread is left behind, as a daemon.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import trouble

HEAVY_AT_ONCE = 2
"""Each of these holds a runtime or a decoder, 100 MB and more, beside a daemon that may be running."""

LIGHT_S = 15.0
"""For a look at files."""


Found = Finding | list[Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """What to look at. ``look`` gives a finding, or a list of them that may be empty; ``heavy`` ones wait for their turn."""

    name: str
    look: Callable[[], Found]
    within_s: float = LIGHT_S
    heavy: bool = False


def run_together(checks: Sequence[Check]) -> Iterator[Finding]:
    """The findings in the order of ``checks``, each as soon as it and all before it are known."""
    futures: list[Future[Found]] = [Future() for _ in checks]
    heavy = deque((check, future) for check, future in zip(checks, futures, strict=True) if check.heavy)
    lanes = [heavy] * min(HEAVY_AT_ONCE, len(heavy))
    lanes += [deque([(check, future)]) for check, future in zip(checks, futures, strict=True) if not check.heavy]
    began_s = time.monotonic()
    for lane in lanes:
        threading.Thread(target=_work, args=(lane,), name="doctor", daemon=True).start()
    turns_s = sum(check.within_s for check in checks if check.heavy)
    for check, future in zip(checks, futures, strict=True):
        within_s = turns_s if check.heavy else check.within_s
        try:
            found: Found = future.result(max(0.0, began_s + within_s - time.monotonic()))
        except TimeoutError:
            found = trouble(check.name, "check-hangs", f"no answer within {within_s:.0f} s")
        yield from found if isinstance(found, list) else [found]


def _work(lane: deque[tuple[Check, Future[Found]]]) -> None:
    while True:
        try:
            check, future = lane.popleft()
        except IndexError:
            return
        try:
            future.set_result(check.look())
        except BaseException as error:  # a fault of ours: raised again by whoever waits
            future.set_exception(error)
