"""What a process that runs for months does about Python's collector of reference cycles."""

from __future__ import annotations

import gc


def freeze_what_stays() -> None:
    """Take all that was made so far out of the collector's sight; to be called once, when all is imported and nothing yet made.

    The collector looks through everything only once a quarter of what it knew the last time was added. Beside the tens of thousands
    of objects of imported modules, that takes the cycles of an hour, by which a process grows; without them, those of minutes.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # this one counts what is left
