"""Everything that was asked is answered."""

from __future__ import annotations

import asyncio

import pytest

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota.requests import Requests


async def test_each_is_answered_with_what_came_of_it() -> None:
    requests = Requests()

    async def done() -> None:
        return

    async def refused() -> None:
        raise UpdateRefused("unknown_id", "no")

    good, bad = requests.add(done), requests.add(refused)
    await requests.serve()
    await good
    with pytest.raises(UpdateRefused):
        await bad


async def test_a_fault_of_ours_is_answered_before_it_ends_the_updater() -> None:
    requests = Requests()

    async def broken() -> None:
        raise ZeroDivisionError

    answer, behind = requests.add(broken), requests.add(broken)
    with pytest.raises(ZeroDivisionError), requests.answered():
        await requests.serve()
    for it in (answer, behind):
        with pytest.raises(UpdateFailed):
            await asyncio.wait_for(it, 1)
