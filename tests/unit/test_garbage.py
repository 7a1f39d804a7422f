"""Cycles are found soon, however much was imported."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from edged.core.garbage import freeze_what_stays

class Cycle:
    def __init__(self):
        self.me = self

known = [Cycle() for _ in range(200_000)]  # as modules are
gc.collect()
if {frozen}:
    freeze_what_stays()
alive, most = weakref.WeakSet(), 0
for _ in range(40):
    young = [Cycle() for _ in range(1000)]
    alive.update(young)
    gc.collect(1)  # they grow old
    del young
    most = max(most, len(alive))
print(most)
"""


def most_uncollected(*, frozen: bool) -> int:
    command = [sys.executable, "-c", PROGRAM.format(frozen=frozen)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_cycles_that_grew_old_are_collected_soon_once_what_stays_is_frozen() -> None:
    assert most_uncollected(frozen=True) < most_uncollected(frozen=False) / 2
