"""The time that is certain is kept as it passes: a start without the time is not to believe again what was seen to expire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from edged.core.clock import ClockReading
from edged.core.errors import UpdateFailed
from edged.ota.trust.floors import FloorFile

log = logging.getLogger(__name__)

LOOK_S = 60.0


async def keep_time(
    floors: FloorFile, fleet: str, channel: str, clock: Callable[[], ClockReading], sleep: Callable[[float], Awaitable[None]]
) -> None:
    """For ever."""
    said = False
    while True:
        now = clock()
        if now.quality == "synchronised":
            try:
                await asyncio.to_thread(floors.raise_time, fleet, channel, now.unix_ns // 10**9)
                said = False
            except UpdateFailed as error:
                if not said:
                    log.error("the time cannot be kept: %s", error)
                    said = True
        await sleep(LOOK_S)
