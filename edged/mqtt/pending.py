"""What was sent and is not answered yet."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """Answers by the packet identifier of what was sent, the oldest first."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[asyncio.Future[T], float]] = {}

    def add(self, mid: int) -> asyncio.Future[T]:
        """The answer to what was sent just now."""
        answer: asyncio.Future[T] = unwatched()
        self._sent[mid] = (answer, asyncio.get_running_loop().time())
        return answer

    def settle(self, mid: int, answer: T) -> bool:
        """It is answered; False if nothing is known of it."""
        waiting, _ = self._sent.pop(mid, (None, 0.0))
        if waiting is not None and not waiting.done():  # who waited may have been cancelled
            waiting.set_result(answer)
        return waiting is not None

    def fail(self, error: Exception) -> int:
        """Nothing is answered any more; how much it was."""
        failed = list(self._sent.values())
        self._sent.clear()
        for waiting, _ in failed:
            if not waiting.done():
                waiting.set_exception(error)
        return len(failed)

    @property
    def oldest_s(self) -> float | None:
        """When the oldest was sent, by the clock of the event loop; ``None`` if nothing waits."""
        return next((sent_s for _, sent_s in self._sent.values()), None)


def unwatched() -> asyncio.Future[Any]:
    """A future that whoever cares awaits; that it fails and nobody does is no fault, and asyncio does not report it."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.add_done_callback(_look_at)
    return future


def _look_at(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
