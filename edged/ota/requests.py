"""What persons ask an updater for: done one after the other, each with its answer for whoever waits.

Rule: everything that was asked is answered, also where the updater ends before its turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from edged.core.errors import EdgedError, UpdateFailed

STOPPING = UpdateFailed("interrupted", "edged is stopping")

BROKEN = UpdateFailed("interrupted", "a fault of edged, see its log")

Request = Callable[[], Awaitable[None]]
"""Does what was asked for; raises EdgedError where it cannot be done."""


class Requests:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Request, asyncio.Future[None]]] = deque()

    def add(self, request: Request) -> asyncio.Future[None]:
        """Have it done after those before it; the answer raises what ``request`` does, UpdateFailed if it does not come to that."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        return answer

    async def serve(self) -> None:
        """Do what was asked for, until nothing is left."""
        while self._waiting:
            request, answer = self._waiting.popleft()
            try:
                await request()
            except EdgedError as error:
                _fail(answer, error)
            except asyncio.CancelledError:
                _fail(answer, STOPPING)
                raise
            else:
                if not answer.done():
                    answer.set_result(None)
            finally:
                _fail(answer, BROKEN)  # where none of these: it ends the updater, and who waits is told before that

    @contextmanager
    def answered(self) -> Iterator[None]:
        """At the end of the block nobody waits any more."""
        try:
            yield
        finally:
            for _, answer in self._waiting:
                _fail(answer, STOPPING)


def _fail(answer: asyncio.Future[None], error: EdgedError) -> None:
    if not answer.done():  # who waited may have been cancelled
        answer.set_exception(error)
