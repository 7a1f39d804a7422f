"""The two ways to a blob: the retained chunks of the broker, and the publisher itself.

Rules: a connection that is lost is waited for; a broker that refuses (BrokerRefused) is for people. Nothing new is asked for while
``ready`` does not return.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from edged.core.errors import BrokerUnreachable, UpdateFailed
from edged.ota.carrier import Carrier
from edged.ota.exchange import INDEX, decode_answer, encode_question
from edged.ota.shelf import Shelf
from edged.ota.topics import UpdateTopics
from edged.ota.transfer import Transfer

ANSWER_S = 10.0
"""For each answer of a publisher that was asked."""

Ready = Callable[[], Awaitable[None]]


class Way(Protocol):
    """Where a blob can be had."""

    async def index(self, size_bytes: int) -> bytes | None:
        """What it gives for the index; ``None`` if it has none."""

    async def take(self, transfer: Transfer, shelf: Shelf, ready: Ready) -> None:
        """Ask for each missing chunk once; returns when all that came is on the disk. Raises UpdateFailed."""


class Retained:
    """One SUBSCRIBE a chunk, a window of them."""

    def __init__(self, carrier: Carrier, topics: UpdateTopics, sha256: str) -> None:
        self._carrier = carrier
        self._topics = topics
        self._sha256 = sha256

    async def index(self, size_bytes: int) -> bytes | None:
        """As the broker has it."""
        while True:
            try:
                return await self._carrier.fetch(self._topics.index(self._sha256), size_bytes)
            except BrokerUnreachable:
                continue

    async def take(self, transfer: Transfer, shelf: Shelf, ready: Ready) -> None:
        """Until the broker was asked for everything."""
        asked: dict[asyncio.Task[bytes | None], int] = {}
        try:
            while True:
                await ready()
                while (number := transfer.ask()) is not None:
                    topic = self._topics.chunk(self._sha256, number)
                    asked[asyncio.create_task(self._carrier.fetch(topic, transfer.size(number)))] = number
                shelf.begin(urgent=not asked)
                if not (waiting := {*asked, *shelf.tasks}):
                    return
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in asked if task in done]:
                    _settle(transfer, shelf, asked.pop(task), task)
                shelf.settle()
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


class Asking:
    """One question for a window of chunks, answered by ``serve``. Gives nothing where the broker does not know requests."""

    def __init__(self, carrier: Carrier, topics: UpdateTopics, sha256: str) -> None:
        self._carrier = carrier
        self._topic = topics.get(sha256)

    async def index(self, size_bytes: int) -> bytes | None:
        """As the publisher has it."""
        async with aclosing(self._ask({INDEX})) as answers:
            async for number, data in answers:
                if number == INDEX:
                    return data if data is not None and len(data) <= size_bytes else None
        return None

    async def take(self, transfer: Transfer, shelf: Shelf, ready: Ready) -> None:
        """Window after window, until one is not answered."""
        while True:
            await ready()
            asked = set()
            while (number := transfer.ask()) is not None:
                asked.add(number)
            if not asked:
                return
            async with aclosing(self._ask(asked)) as answers:
                async for number, data in answers:
                    if number in asked:
                        asked.remove(number)
                        _judge(transfer, shelf, number, data)
                    if not asked:
                        break
            for number in asked:
                transfer.on_absent(number)
            await shelf.finish()

    async def _ask(self, numbers: set[int]) -> AsyncGenerator[tuple[int, bytes | None], None]:
        """The answers as they come, until one stays away."""
        try:
            if not await self._carrier.can_request():
                return
            async with self._carrier.request(self._topic, encode_question(numbers)) as answers:
                while True:
                    async with asyncio.timeout(ANSWER_S):
                        payload = await anext(answers, None)
                    if payload is None:
                        return
                    if (answer := decode_answer(payload)) is not None:
                        yield answer
        except (TimeoutError, BrokerUnreachable):
            return


def _settle(transfer: Transfer, shelf: Shelf, number: int, task: asyncio.Task[bytes | None]) -> None:
    try:
        chunk = task.result()
    except BrokerUnreachable:
        transfer.on_lost(number)
    except UpdateFailed:  # oversized
        transfer.on_damaged(number)
    else:
        _judge(transfer, shelf, number, chunk)


def _judge(transfer: Transfer, shelf: Shelf, number: int, chunk: bytes | None) -> None:
    if chunk is None:
        transfer.on_absent(number)
    elif transfer.on_chunk(number, chunk):
        shelf.add(number, chunk)
