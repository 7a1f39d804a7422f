"""One thing on its way: fetched, unpacked, probed, tried, and confirmed or reverted.

Rules: nothing new serves before its slot says so on the disk; what serves never stops because of an attempt; an attempt that is
cancelled leaves what it has for the next one. ``run`` raises UpdateRefused for what is not to be tried again under its sequence,
and UpdateFailed for what may pass.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from edged.core.clock import ClockReading
from edged.core.errors import UpdateCode, UpdateFailed, UpdateRefused
from edged.core.tasks import finished
from edged.ota.bench import Bench, Reporter
from edged.ota.inventory import Inventory
from edged.ota.judgement import MAX_WINDOW_S, Seen, Verdict, judge
from edged.ota.slots import Confirm, Event, Install, Installed, Revert, Slot, Withdraw
from edged.ota.status import Code, State, UpdateStatus
from edged.ota.target import SignedTarget

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECK_S = 1.0
"""Between looks at a trial: reports of what it does come as often."""

ENDS: tuple[State, ...] = ("rejected", "reverted")
"""Of what does not come again, whatever the channel says of it."""

WRITE_AGAIN_S = 5.0
"""To a disk that is full or fails, where there is nothing to be done without it."""

Progress = Callable[[int, int], None]
"""Chunks that are there, and how many there are."""

Fetch = Callable[[Progress], Awaitable[Path]]
"""Gives the file of a verified blob."""


@dataclass(frozen=True, slots=True, eq=False)
class Kit:
    """What every attempt works with. ``window_s`` is how long a trial lasts."""

    inventory: Inventory
    bench: Bench
    reporter: Reporter
    clock: Callable[[], ClockReading]
    sleep: Callable[[float], Awaitable[None]]
    window_s: float
    _said: dict[str, tuple[str, int, bool]] = field(default_factory=dict)

    def has_ended(self, signed: SignedTarget) -> bool:
        """Whether the last that was reported of a thing is that this one was rejected or given up, and why."""
        return self._said.get(signed.path) == (signed.sha256, signed.target.sequence, True)

    def say(
        self, signed: SignedTarget, state: State, code: Code = "ok", detail: str = "", chunks: tuple[int, int] | None = None
    ) -> None:
        """Report how a thing stands."""
        target = signed.target
        held, total = chunks or (0, target.chunks.count)
        self._said[signed.path] = (signed.sha256, target.sequence, state in ENDS or code == "not_gone_back")
        self.reporter.report(
            UpdateStatus(
                kind=target.kind,
                id=target.id,
                sequence=target.sequence,
                version=target.version,
                sha256=signed.sha256,
                state=state,
                code=code,
                detail=detail,
                chunks=held,
                chunks_total=total,
                at_ns=self.clock().monotonic_ns,
            )
        )

    async def note(self, path: str, event: Event) -> Slot:
        """Write down what happened, however long the disk does not take it: there is no way on without."""
        said = False
        while True:
            try:
                return await undisturbed(self.inventory.note, path, event)
            except OSError as error:
                if not said:
                    log.error("%s: %s cannot be written down: %s; trying on", path, type(event).__name__, error.strerror)
                    said = True
                await self.sleep(WRITE_AGAIN_S)

    async def tidy(self, coming: Collection[str] = ()) -> None:
        """Remove what is not needed any more; what cannot be removed now can be later."""
        try:
            await undisturbed(self.inventory.tidy, coming)
        except OSError as error:
            log.warning("old bundles cannot be removed: %s", error.strerror)

    def bundle(self, installed: Installed | None) -> Path | None:
        """Where a bundle is; ``None`` for that of the configuration."""
        return self.inventory.where(installed.sha256) if installed else None


class Attempt:
    """``signed`` on its way; ``serving`` once it was told to serve."""

    def __init__(self, signed: SignedTarget, fetch: Fetch, kit: Kit) -> None:
        self.signed = signed
        self.serving = False
        self._fetch = fetch
        self._kit = kit
        self._revoked = self._superseded = False
        self._chunks = (0, signed.target.chunks.count)
        self._agreement = ""

    def revoke(self) -> None:
        """Nobody is to run it any more."""
        self._revoked = True

    def supersede(self) -> None:
        """There is something newer. A trial that sees frames is over soon; one that sees none would be in its way for ever."""
        self._superseded = True

    async def run(self) -> None:
        """All of it; returns when it is confirmed, or reverted."""
        bundle = await self._have()
        self._say("testing")
        identity = await self._kit.bench.probe(self.signed, bundle)
        if self._kit.bench.wants_shadow(self.signed.path):
            self._say("shadow")
            await self._kit.bench.shadow(self.signed, bundle, self._on_shadow)
        target = self.signed.target
        await self._try(Installed(self.signed.sha256, target.sequence, target.version, identity), bundle)

    def _say(self, state: State, code: Code = "ok", detail: str = "") -> None:
        self._kit.say(self.signed, state, code, detail, self._chunks)

    async def _have(self) -> Path:
        sha256, inventory = self.signed.sha256, self._kit.inventory
        if not inventory.has(sha256):
            self._say("downloading")
            blob = await self._fetch(self._on_progress)
            self._chunks = (self._chunks[1], self._chunks[1])
            self._say("verified")
            return await undisturbed(inventory.add, sha256, blob)
        self._chunks = (self._chunks[1], self._chunks[1])
        return inventory.where(sha256)

    def _on_progress(self, held: int, total: int) -> None:
        self._chunks = (held, total)
        self._say("downloading")

    def _on_shadow(self, agreement: str) -> None:
        self._agreement = agreement
        self._say("shadow", detail=agreement)

    async def _try(self, installed: Installed, bundle: Path) -> None:
        path, kit = self.signed.path, self._kit
        before = kit.bundle(kit.inventory.slot(path).current)
        self.serving = True
        try:
            await undisturbed(kit.inventory.note, path, Install(installed))
            verdict = await self._trial(bundle)
            if verdict.code == "ok":
                await kit.bench.confirm(path)
            else:
                await kit.bench.go_back(path, before)
        except UpdateRefused as error:
            await kit.note(path, Revert(error.code))
            raise
        except UpdateFailed:
            await kit.note(path, Withdraw())
            raise
        except asyncio.CancelledError:  # edged stops, or follows something else
            if kit.inventory.slot(path).phase == "trial":
                kit.inventory.note(path, Withdraw())  # takes milliseconds; nothing is held against it
            raise
        await self._end(installed, verdict)

    async def _end(self, installed: Installed, verdict: Verdict) -> None:
        good = verdict.code == "ok"
        await self._kit.note(self.signed.path, Confirm() if good else Revert(verdict.code))
        outcome: State = "confirmed" if good else "reverted"
        log.log(
            logging.INFO if good else logging.ERROR, "%s %s: %s: %s", self.signed.path, installed.version, outcome, verdict.detail
        )
        self._say(outcome, verdict.code, verdict.detail)
        await self._kit.tidy()

    async def _trial(self, bundle: Path) -> Verdict:
        kit, path = self._kit, self.signed.path
        usual = kit.bench.usual(path)
        self._say("trial", detail=self._agreement)
        await kit.bench.swap(path, bundle)
        since_ns = kit.clock().monotonic_ns
        while True:
            await kit.sleep(CHECK_S)
            if self._revoked:
                return Verdict("revoked", "its publisher revoked it during its trial")
            seen = kit.bench.trial(path)
            verdict = judge(seen, usual, self.signed.target.limits, kit.window_s) if isinstance(seen, Seen) else seen
            if verdict:
                return verdict
            if self._superseded and kit.clock().monotonic_ns - since_ns > MAX_WINDOW_S * 1e9:
                return Verdict("interrupted", "it saw no frames, and something newer is there")


async def undisturbed(function: Callable[..., T], *arguments: object) -> T:
    """Call it in a thread, to its end even if whoever waits is cancelled: two must not change the same files."""
    return await finished(asyncio.to_thread(function, *arguments))


def failed(error: OSError) -> UpdateFailed:
    """What a disk that does not take something means for an update."""
    code: UpdateCode = "no_space" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "interrupted"
    return UpdateFailed(code, f"{error.filename or 'the disk'}: {error.strerror}")
