"""Tasks that live and die together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def run_together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run until the first fails, then cancel the others; raises what it raised.

    Not a TaskGroup: one that is aborting because a task failed swallows a cancellation from outside (Python 3.11 and 3.12), and
    whoever is told to stop just then would never hear of it.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def first_of(*events: Awaitable[object]) -> None:
    """Wait until the first is over, and cancel the others."""
    tasks = [asyncio.ensure_future(event) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns or raises, for work that must come to an end even if whoever waits for it is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody else will ask
        raise
