"""Waits for accelerators that failed, beside the vision process that serves without them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from edged.daemon.accelerators import Accelerators
from edged.daemon.trial import try_accelerator
from edged.infer.edgetpu import find_edgetpus
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between looks at which accelerators are connected, while one is missed."""


async def until_mended(accelerators: Accelerators, serving: Callable[[], VisionSettings | None]) -> tuple[str, ...]:
    """Try what fell in a process of its own, again and again; the models that may go back, as soon as there are any.

    ``serving`` tells what is served now, ``None`` while that is about to change.
    """
    while True:
        await asyncio.sleep(LOOK_S)
        settings = serving()
        if settings is None or not accelerators.avoid:
            continue
        accelerators.observe(find_edgetpus(settings.root), time.monotonic())
        outcomes = {}
        for name in accelerators.due(time.monotonic()):
            outcomes[name] = await try_accelerator(settings.models[name], settings.identities[name], settings.root)
            log.debug("model %s: trial of its accelerator: %s", name, outcomes[name] or "it works")
            if serving() is not settings:  # a reload came between: these may not be the models that serve now
                outcomes.clear()
                break
        if back := accelerators.on_tried(outcomes, time.monotonic()):
            return back
