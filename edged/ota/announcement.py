"""What is signed of a channel, as it reaches a device: retained, published anew, or asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edged.core.errors import BrokerUnreachable
from edged.core.tasks import run_together
from edged.ota.carrier import Carrier
from edged.ota.topics import UpdateTopics

ASK_EVERY_S = 3600.0
"""Where the broker keeps nothing: what was published while this device was away is not heard otherwise."""

ASK_AGAIN_S = 60.0
"""After no answer: the publisher may serve only now and then."""

ANSWER_S = 10.0


@asynccontextmanager
async def announced(carrier: Carrier, topics: UpdateTopics, channel: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """Every bundle of a channel, over all connections, the newest alone if they come too fast. Raises BrokerRefused when
    iterated."""
    newest: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

    def put(bundle: bytes | None) -> None:
        if newest.full():
            newest.get_nowait()
        newest.put_nowait(bundle)

    async def listen() -> None:
        async with carrier.watch(topics.metadata(channel)) as bundles:
            async for bundle in bundles:
                put(bundle)

    async def ask() -> None:
        while True:
            bundle: bytes | None = None
            needed = False
            with contextlib.suppress(BrokerUnreachable, TimeoutError):
                needed = not await carrier.keeps_retained() and await carrier.can_request()
                if needed:
                    async with carrier.request(topics.ask(channel), b"") as answers, asyncio.timeout(ANSWER_S):
                        bundle = await anext(answers, None)
            if bundle is not None:
                put(bundle)
            await asyncio.sleep(ASK_AGAIN_S if needed and bundle is None else ASK_EVERY_S)

    async def both() -> None:
        try:
            await run_together(listen(), ask())
        finally:
            put(None)

    work = asyncio.create_task(both())

    async def iterate() -> AsyncIterator[bytes]:
        while (bundle := await newest.get()) is not None:
            yield bundle
        await work  # raises what ended it

    try:
        yield iterate()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
