"""The updates of one device: what its channel has of each followed thing, until that is confirmed.

Rules: one thing is on its way at a time, the newest target replaces one that does not serve yet, and a trial runs to its end; what
is refused is not tried again under its sequence, what failed is tried again after a growing pause; whatever happens here, what
serves goes on. Without a broker, with metadata that expired or with a clock that nobody set there are no updates, and that is all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edged.core.errors import BrokerRefused, BrokerUnreachable, UpdateFailed, UpdateRefused
from edged.core.tasks import first_of, run_together
from edged.ota import rollout
from edged.ota.attempt import Attempt, Kit, Progress, failed, undisturbed
from edged.ota.channel import Channel, Verify, Watch
from edged.ota.leaving import Leaving
from edged.ota.local import Local, as_signed, chosen
from edged.ota.pauses import Pauses
from edged.ota.requests import Request, Requests
from edged.ota.slots import Follow, MarkBad, Renew, offer
from edged.ota.status import State
from edged.ota.target import SignedTarget

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """How things come to the device. ``download`` raises UpdateRefused, UpdateFailed and the broker's errors."""

    watch: Watch
    verify: Verify
    download: Callable[[SignedTarget, Progress], Awaitable[Path]]


class Updater:
    """Follows ``paths``, each ``<kind>/<id>``; ``device`` says what a rollout has to know for one. Belongs to the event loop."""

    def __init__(
        self,
        paths: Collection[str],
        ways: Ways,
        kit: Kit,
        device: Callable[[str], rollout.Device],
        random: Callable[[], float],
    ) -> None:
        self._paths = tuple(paths)
        self._download = ways.download
        self._kit = kit
        self._device = device
        self._channel = Channel(
            *(ways.watch, ways.verify, kit.clock, kit.sleep, random), on_trusted=self._on_trusted, on_distrusted=self._on_distrusted
        )
        self._wake = asyncio.Event()
        self._job: tuple[Attempt, asyncio.Task[None]] | None = None
        self._brought = False  # by a person, who wants it whatever else is signed, but for what is newer
        self._requests = Requests()
        self._leaving = Leaving(kit)
        self._pauses = Pauses(random)
        self._unleft = Pauses(random)  # of what is revoked and cannot be left now: whatever comes instead keeps its own
        self._failed: dict[str, str] = {}  # by path, the blob that failed last, which parts of the device may have kept

    async def run(self) -> None:
        """Follow, for ever."""
        for path, trial in self._kit.inventory.interrupted.items():
            if path in self._paths:
                self._kit.say(as_signed(path, trial), "reverted", "interrupted", "edged ended during its trial")
        for path in self._paths:
            if path not in self._kit.inventory.interrupted and (serves := self._kit.inventory.slot(path).current):
                self._kit.say(as_signed(path, serves), "confirmed")
        with self._requests.answered():
            await run_together(self._channel.run(), self._work())

    async def install(self, local: Local) -> None:
        """Install what a person brought; returns when it is confirmed. Raises UpdateRefused, UpdateFailed."""
        await self._ask(partial(self._install, local))

    async def go_back(self, path: str) -> None:
        """Let what served before serve again, because a person says so. Raises UpdateRefused where there is nothing."""
        await self._ask(partial(self._leaving.go_back, path))

    def hurry(self, path: str) -> None:
        """Whom an update of this is for is back: one that was not begun for want of them does not wait any longer."""
        if self._pauses.hurry(path):
            self._wake.set()

    async def _ask(self, request: Request) -> None:
        answer = self._requests.add(request)
        self._make_way()
        await answer

    def _make_way(self) -> None:
        if self._job and not self._job[0].serving:
            self._job[1].cancel()
        self._wake.set()

    def _on_distrusted(self, error: UpdateRefused | UpdateFailed) -> None:
        state: State = "rejected" if isinstance(error, UpdateRefused) else "failed"
        for path in self._paths:
            serves = self._kit.inventory.slot(path).current
            self._kit.say(as_signed(path, serves), state, error.code, error.message)

    def _on_trusted(self) -> None:
        if self._job:
            attempt, task = self._job
            newest = self._newest(attempt.signed.path)
            if newest and attempt.signed.sha256 in newest.target.revoked:
                attempt.revoke()
            if self._overtakes(newest, attempt.signed):
                attempt.supersede()
                if not attempt.serving:
                    task.cancel()
        self._wake.set()

    def _overtakes(self, newest: SignedTarget | None, signed: SignedTarget) -> bool:
        if self._brought:
            return newest is not None and newest.target.sequence > signed.target.sequence
        return newest != signed

    def _newest(self, path: str) -> SignedTarget | None:
        return self._channel.trusted.newest(path) if self._channel.trusted else None

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            await self._requests.serve()
            waits_s = [await self._follow(path) for path in self._paths]
            if not self._wake.is_set():
                await self._drop_parts()
                await self._rest(min((wait_s for wait_s in waits_s if wait_s is not None), default=None))

    async def _rest(self, wait_s: float | None) -> None:
        """Until something happens, or for so long."""
        await first_of(self._wake.wait(), *([self._kit.sleep(wait_s)] if wait_s is not None else []))

    async def _drop_parts(self) -> None:
        if self._channel.trusted is None:  # what is there may be of the target that comes
            return
        inventory = self._kit.inventory
        newest = [signed for path in self._paths if (signed := self._newest(path))]
        wanted = {
            signed.sha256
            for signed in newest
            if offer(inventory.slot(signed.path), signed) == "ok" and not inventory.has(signed.sha256)
        }
        try:
            await undisturbed(inventory.drop_parts, wanted)
        except OSError as error:
            log.warning("parts of old updates cannot be removed: %s", error.strerror)

    async def _follow(self, path: str) -> float | None:
        """Do what there is to do about one thing; in how many seconds to look again, ``None`` if only something new can help."""
        trusted = self._channel.trusted
        if trusted is None:
            return None
        signed = trusted.newest(path)
        if signed is None:
            serves = self._kit.inventory.slot(path).current
            self._kit.say(as_signed(path, serves), "rejected", "unknown_id", "the channel has nothing of this name")
            await self._kit.bench.abandon(path)
            return None
        try:
            await self._leaving.heed(signed)
        except UpdateFailed as error:  # nor is anything else tried: what is revoked would serve again where that fails
            return self._fail(as_signed(path, self._kit.inventory.slot(path).current), error, self._unleft)
        await self._kit.note(path, Follow(trusted.numbering, signed.target.sequence))
        if not await self._is_wanted(signed):
            await self._kit.bench.abandon(path)
            return None
        if (wait_s := self._hindered(signed)) is not None:
            if self._failed.get(path) != signed.sha256:  # what failed before it is not signed any more
                await self._kit.bench.abandon(path)
            return wait_s or None
        return await self._attempt(signed)

    async def _attempt(self, signed: SignedTarget) -> float | None:
        """Have it serve, and be judged; in how many seconds to try again, ``None`` if that is decided."""
        self._kit.say(signed, "queued")

        async def fetch(progress: Progress) -> Path:
            return await self._download(signed, progress)

        attempt = Attempt(signed, fetch, self._kit)
        try:
            await self._run(attempt)
        except UpdateRefused as error:
            await self._reject(signed, error)
        except UpdateFailed as error:
            self._failed[signed.path] = signed.sha256
            # What goes away because of a trial would come back at once, for the next.
            return self._fail(signed, error, self._pauses, may_hurry=error.code == "mcu_away" and not attempt.serving)
        return None

    async def _is_wanted(self, signed: SignedTarget) -> bool:
        slot = self._kit.inventory.slot(signed.path)
        verdict = offer(slot, signed)
        if verdict is None:
            assert slot.current
            self._kit.say(as_signed(signed.path, slot.current), "confirmed")
        elif verdict != "ok":
            if not self._kit.has_ended(signed):
                why = slot.why_bad(signed.sha256, signed.target.sequence)
                self._kit.say(signed, "rejected", verdict, f"it was tried before: {why}" if why else "")
        elif slot.current and slot.current.sha256 == signed.sha256:
            await self._kit.note(signed.path, Renew(signed.target.sequence, signed.target.version))
            self._kit.say(signed, "confirmed")
        else:
            return True
        return False

    def _hindered(self, signed: SignedTarget) -> float | None:
        """``None`` to go on; else the seconds until it is worth another look, 0 if time alone does not help."""
        assert self._channel.trusted
        now = self._kit.clock()
        answer = rollout.judge(signed.target, self._device(signed.path), now)
        if answer.code != "ok":
            self._kit.say(signed, "queued", answer.code, answer.detail)
            return answer.again_s or 0.0
        if max(now.unix_ns // 10**9, self._channel.trusted.floor_unix_s) >= self._channel.trusted.expires_unix_s:
            self._kit.say(signed, "failed", "expired", "what says that it is the newest has expired")
            return rollout.CLOCK_AGAIN_S  # which may be ahead, and be set
        return self._pauses.left_s(signed, now.monotonic_ns)

    async def _run(self, attempt: Attempt, *, brought: bool = False) -> bool:
        """Raises what ``Attempt.run`` does; False, without an outcome, if something newer came before it served."""
        task = asyncio.create_task(attempt.run())
        self._job, self._brought = (attempt, task), brought
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self._job = None
        if task.cancelled():
            return False
        try:
            task.result()
        except (BrokerUnreachable, BrokerRefused) as error:
            raise UpdateFailed("offline", error.message, hint=error.hint) from error
        except OSError as error:
            raise failed(error) from error
        return True

    async def _reject(self, signed: SignedTarget, error: UpdateRefused) -> None:
        log.error("%s %s: refused: %s", signed.path, signed.target.version, error)
        await self._kit.note(signed.path, MarkBad(signed.sha256, signed.target.sequence, error.code))
        self._kit.say(signed, "rejected", error.code, error.message)
        await self._kit.tidy()

    def _fail(self, signed: SignedTarget, error: UpdateFailed, pauses: Pauses, *, may_hurry: bool = False) -> float:
        delay_s = pauses.begin(signed, self._kit.clock().monotonic_ns, may_hurry=may_hurry)
        log.warning("%s %s: failed: %s; again in %.0f s", signed.path, signed.target.version, error, delay_s)
        self._kit.say(signed, "failed", error.code, error.message)
        return delay_s

    async def _install(self, local: Local) -> None:
        if local.path not in self._paths:
            raise UpdateRefused("unknown_id", f"{local.path}: nothing here follows it", hint='Give a model `follow = "ID"`.')
        signed = chosen(local, self._newest(local.path), self._kit.inventory.slot(local.path))

        async def fetch(_: Progress) -> Path:
            return local.blob

        try:
            ended = await self._run(Attempt(signed, fetch, self._kit), brought=True)
        except UpdateRefused as error:
            await self._reject(signed, error)
            raise
        if not ended:
            raise UpdateFailed("interrupted", f"{local.path}: something newer came before it served")
        slot = self._kit.inventory.slot(local.path)
        if why := slot.why_bad(local.sha256, signed.target.sequence):
            raise UpdateRefused(why, f"{local.path}: it was tried, and is reverted")  # type: ignore[arg-type]
