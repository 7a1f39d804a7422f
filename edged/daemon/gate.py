"""Whether the device has time for downloads: inference comes first."""

from __future__ import annotations

import asyncio

from edged.vision import ipc

LATE_MS = 1000.0
"""From capture to result. Frames that are so old wait for a processor that something else has."""


class Gate:
    """Open unless the last heartbeat says that frames are late."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def note(self, stats: ipc.Stats) -> None:
        """Take in a heartbeat."""
        if any(camera.age_ms > LATE_MS for camera in stats.cameras):
            self._open.clear()
        else:
            self._open.set()

    def open(self) -> None:
        """Nothing is inferred now."""
        self._open.set()

    async def wait(self) -> None:
        """Return when it is open."""
        await self._open.wait()
