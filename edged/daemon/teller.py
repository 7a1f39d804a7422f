"""How far updates are, told to whoever has to know: a retained state for all of them, and an event for each step."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from edged.core.event import UpdateChanged
from edged.daemon.publishing import Publishing
from edged.ota.status import UpdateStatus

MAX_WAITING = 256
"""Events that wait for the store; the oldest go first. A disk that takes none for so long has lost more than these."""


class Teller:
    """``report`` never waits; ``run`` hands events over to ``put``. What repeats is told once."""

    def __init__(self, publishing: Publishing, put: Callable[[UpdateChanged], Awaitable[None]]) -> None:
        self._publishing = publishing
        self._put = put
        self._statuses: dict[tuple[str, str], UpdateStatus] = {}
        self._waiting: deque[UpdateChanged] = deque(maxlen=MAX_WAITING)
        self._arrived = asyncio.Event()

    def report(self, status: UpdateStatus) -> None:
        """This is how a thing stands now."""
        key = (status.kind, status.id)
        before = self._statuses.get(key)
        if before and replace(before, at_ns=status.at_ns) == status:
            return
        self._statuses[key] = status
        self._publishing.updates(tuple(self._statuses.values()))
        further = before is None or _step(before) != _step(status)
        known = before is None and status.state == "confirmed"  # since an earlier start
        if further and not known:
            self._waiting.append(_event(status))
            self._arrived.set()

    def keep(self, things: set[tuple[str, str]]) -> None:
        """Forget all other things."""
        self._statuses = {key: status for key, status in self._statuses.items() if key in things}
        self._publishing.updates(tuple(self._statuses.values()))

    async def run(self) -> None:
        """Hand over, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._put(self._waiting.popleft())


def _step(status: UpdateStatus) -> tuple[object, ...]:
    """What makes it another step, and not only more of the same."""
    return status.sequence, status.sha256, status.state, status.code


def _event(status: UpdateStatus) -> UpdateChanged:
    return UpdateChanged(
        target_kind=status.kind,
        target_id=status.id,
        sequence=status.sequence,
        version=status.version,
        sha256=status.sha256,
        state=status.state,
        code=status.code,
        detail=status.detail,
        at_ns=status.at_ns,
    )
