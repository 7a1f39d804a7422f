"""Space put aside for the day on which the disk is full.

Deleting rows writes to the journal first, so that a store on a full disk could not even be made smaller. Giving up the reserve
leaves room for one whole journal and its copy into the database.
"""

from __future__ import annotations

import os
from pathlib import Path

RESERVE_BYTES = 4 * 1024 * 1024
"""Twice the journal's size at a checkpoint (``db.AUTOCHECKPOINT_PAGES``)."""


class Reserve:
    """A file of allocated, empty blocks beside the database."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}-reserve")

    def hold(self) -> bool:
        """Allocate the blocks unless they are held; ``False`` if the disk has no room for them."""
        if self._path.exists() and self._path.stat().st_size == RESERVE_BYTES:
            return True
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        except OSError:  # full; a part of it would only be in the way of the events
            self._path.unlink()
            return False
        finally:
            os.close(fd)
        return True

    def give_up(self) -> bool:
        """Free the blocks; whether there were any."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
