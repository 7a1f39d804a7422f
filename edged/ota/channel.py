"""What the channel says, as far as it is believed: each metadata bundle that comes is verified, the newest only.

Rules: a bundle that is not believed changes nothing, and is said once; it is judged again when the clock is set, which a verdict
depends on, and once in a while; verifications have pauses between them, growing while bundles are refused, since anyone may publish
them and each costs a process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from edged.core.backoff import Backoff
from edged.core.clock import ClockReading
from edged.core.errors import BrokerRefused, BrokerUnreachable, UpdateFailed, UpdateRefused
from edged.core.tasks import first_of, run_together
from edged.ota.numbering import Numbering
from edged.ota.target import SignedTarget

log = logging.getLogger(__name__)

VERIFY_MIN_S = 1.0
VERIFY_MAX_S = 60.0

LOOK_S = 10.0
"""Between looks at the clock while a bundle is refused: a device that has the time at last is to have its updates too."""

JUDGE_AGAIN_S = 3600.0
"""What is refused is judged again without any reason that is seen here: another root may have been put in its place."""

LISTEN_AGAIN_S = 60.0
"""After a broker that does not let us listen: a person has to mend that."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """What a verified metadata bundle says. ``floor_unix_s`` is the latest time that was ever believed here."""

    targets: tuple[SignedTarget, ...]
    expires_unix_s: int
    floor_unix_s: int
    numbering: Numbering

    def newest(self, path: str) -> SignedTarget | None:
        """What the channel has under ``<kind>/<id>``."""
        return next((signed for signed in self.targets if signed.path == path), None)


Watch = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Every metadata bundle of the channel, the retained one first."""

Verify = Callable[[bytes], Awaitable[Trusted]]
"""Raises UpdateRefused, UpdateFailed."""


class Channel:
    """``trusted`` is what holds, once anything was believed; both callables are told of changes."""

    def __init__(
        self,
        watch: Watch,
        verify: Verify,
        clock: Callable[[], ClockReading],
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
        *,
        on_trusted: Callable[[], None],
        on_distrusted: Callable[[UpdateRefused | UpdateFailed], None],
    ) -> None:
        self.trusted: Trusted | None = None
        self._watch = watch
        self._verify = verify
        self._clock = clock
        self._sleep = sleep
        self._on_trusted = on_trusted
        self._on_distrusted = on_distrusted
        self._pauses = Backoff(VERIFY_MIN_S, VERIFY_MAX_S, random)
        self._payload = b""
        self._arrived = asyncio.Event()
        self._refusal = ""

    async def run(self) -> None:
        """Listen and verify, for ever."""
        await run_together(self._listen(), self._judge())

    async def _listen(self) -> None:
        said = ""
        while True:
            try:
                async with self._watch() as payloads:
                    async for payload in payloads:
                        self._payload = payload
                        self._arrived.set()
            except (BrokerRefused, BrokerUnreachable) as error:
                if error.message != said:
                    log.error("updates are not heard of: %s", error)
                    said = error.message
            await self._sleep(LISTEN_AGAIN_S)

    async def _judge(self) -> None:
        believed: bytes | None = None
        judged_at = self._clock()
        while True:
            await self._due(judged_at)
            self._arrived.clear()
            payload = self._payload
            if payload == believed and not self._refusal:
                continue
            judged_at = self._clock()
            try:
                self.trusted = await self._verify(payload)
            except (UpdateRefused, UpdateFailed) as error:
                self._distrust(error)
                if isinstance(error, UpdateFailed):  # nothing is known against it
                    self._arrived.set()
                await self._sleep(self._pauses.next_delay_s())
                continue
            if payload != believed:  # not by repeating what is old: who sends refused bundles in between would be verified at once
                self._pauses.reset()
            believed = payload
            self._believe()
            await self._sleep(VERIFY_MIN_S)

    async def _due(self, judged_at: ClockReading) -> None:
        """Until a bundle came, or the one that was refused at ``judged_at`` is worth another look."""
        while not self._arrived.is_set():
            if not self._refusal:
                await self._arrived.wait()
                return
            now = self._clock()
            if now.was_set_since(judged_at) or now.monotonic_ns - judged_at.monotonic_ns >= JUDGE_AGAIN_S * 1e9:
                return
            await first_of(self._arrived.wait(), self._sleep(LOOK_S))

    def _believe(self) -> None:
        if self._refusal:
            log.warning("the metadata of updates is believed again")
            self._refusal = ""
        self._on_trusted()

    def _distrust(self, error: UpdateRefused | UpdateFailed) -> None:
        if self._refusal != error.code:
            self._refusal = error.code
            log.error("the metadata of updates is not believed: %s", error)
            self._on_distrusted(error)
