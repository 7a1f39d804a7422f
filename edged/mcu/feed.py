"""What a port says on its own account, for whoever listens."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from edged.core.errors import PortLost

T = TypeVar("T")

LIMIT = 256
"""So much is kept for a listener that is slow: some seconds of what the fastest line carries. Then the oldest goes."""


class Feed(Generic[T]):
    """An async iterator over what came since it was made, the oldest first; raises what ended it, after the last of it.

    It holds at most ``LIMIT``; ``dropped`` counts what was given up for newer.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._changed = asyncio.Event()
        self._error: PortLost | None = None
        self.dropped = 0

    def put(self, item: T) -> None:
        """Append, at the cost of the oldest."""
        if len(self._items) == LIMIT:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._changed.set()

    def end(self, error: PortLost) -> None:
        """Nothing more comes."""
        self._error = error
        self._changed.set()

    def __aiter__(self) -> Feed[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        return self._items.popleft()
