"""Looking at the clock costs nothing that stays."""

from __future__ import annotations

import gc

from edged.daemon.clock import read_clock


def test_looks_at_the_clock_leave_nothing_for_the_garbage_collector() -> None:
    read_clock()
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(100):
            read_clock()
        assert len(gc.get_objects()) - before < 100
    finally:
        gc.enable()
