"""Tasks that live and die together, whenever the one who waits for them is told to stop."""

from __future__ import annotations

import asyncio

import pytest

from edged.core.errors import BrokerUnreachable
from edged.core.tasks import run_together


async def fail_after(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    raise BrokerUnreachable("gone")


async def linger() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        for _ in range(5):  # a cancelled task may take some turns to leave
            await asyncio.sleep(0)


async def test_the_first_error_ends_all_and_is_raised_bare() -> None:
    with pytest.raises(BrokerUnreachable, match="gone"):
        await run_together(fail_after(1), linger())


@pytest.mark.parametrize("turns", range(14))
async def test_word_to_stop_is_heard_at_any_moment_of_a_failure(turns: int) -> None:
    async def serve_for_ever() -> None:
        while True:
            try:
                await run_together(fail_after(3), linger())
            except BrokerUnreachable:
                await asyncio.sleep(0)

    task = asyncio.create_task(serve_for_ever())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await task
