"""Firmware and models of microcontrollers as updates see them: checked here, tried by the boards, confirmed or gone back from.

Rules: what is confirmed under an id is what every board that follows it is to run; a board that is away holds up nobody, and gets
it when it is back; one on trial that hears nothing more goes back by itself, so that it is asked what is true. The slots of
``edged.ota`` say what was confirmed; those of a board say what it can run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edged.core.errors import BoardRefused, EdgedError, ImageRefused, UpdateFailed, UpdateRefused
from edged.daemon.given_up import GivenUp
from edged.daemon.mcu_images import CODES, paths_of, read, translated
from edged.daemon.mcu_mending import leave, mend
from edged.daemon.mcu_trial import BoardTrial
from edged.daemon.mcu_trials import AWAY, Trials
from edged.daemon.mcu_tries import TOLD_AFTER, Tries
from edged.daemon.mcus import Mcus
from edged.ota.attempt import undisturbed
from edged.ota.judgement import Seen, Verdict
from edged.ota.target import SignedTarget

if TYPE_CHECKING:
    from edged.daemon.mcu_keeper import Keeper
    from edged.mcu.bundle import Package

log = logging.getLogger(__name__)


class McuBench:
    """What is wanted of the boards, who has them in hand and what failed on them is in ``mcus.duties``. Belongs to the event loop.

    ``came`` is told of each path whose board appears, ``given_up`` keeps what is left for good. A board on trial that goes may take
    ``back_s`` to come back; one that is there and does not answer has ``again_s`` of peace at first. Being made blocks.
    """

    def __init__(
        self,
        mcus: Mcus,
        span_s: float,
        came: Callable[[str], None],
        given_up: GivenUp,
        *,
        back_s: float = 60.0,
        again_s: float = 10.0,
    ) -> None:
        self._mcus = mcus
        self._duties = mcus.duties
        self._span_s = span_s
        self._came = came
        self._back_s = back_s
        self._given_up = given_up
        for path, image_hash in given_up.read():
            self._duties.give_up(path, image_hash)
        self._trials: dict[str, Trials] = {}
        self._again_s = again_s
        self._tries: dict[tuple[str, str], Tries] = {}
        self._wake = asyncio.Event()
        self._tending = asyncio.Lock()  # whoever goes back does so alone, and sees what comes of it on each board
        mcus.came = self._on_known

    def settle(self, wanted: Mapping[str, Path | None]) -> None:
        """What the slots say now: no trial is under way any more."""
        for path in list(self._trials):
            self._end_trial(path)
        self._duties.settle(wanted)
        for keeper in self._mcus.keepers.values():
            self._on_known(keeper)

    async def probe(self, signed: SignedTarget, bundle: Path) -> str:
        """Whole, and meant for each board that is there; returns the hash of its file. Its signature is judged by the loader."""
        try:
            return await self._probe(signed, bundle)
        except UpdateRefused:
            await self._close_badly(signed.path)
            raise

    async def _probe(self, signed: SignedTarget, bundle: Path) -> str:
        package = await read(bundle, signed.path)
        for keeper in self._present(signed.path):
            assert keeper.info
            try:
                package.admit(keeper.info)
            except ImageRefused as error:
                code = CODES.get(error.fault, "model_refused")
                raise UpdateRefused(code, f"{keeper.name}: {error.message}", hint=error.hint) from error
        return package.identity

    async def shadow(self, signed: SignedTarget, bundle: Path, say: Callable[[str], None]) -> None:
        """Never wanted."""

    def wants_shadow(self, path: str) -> bool:
        """No: a board runs one model."""
        return False

    async def swap(self, path: str, bundle: Path) -> None:
        """Onto every board that is there, in hand from here on: their own trials begin together."""
        package, keepers = await read(bundle, path), self._present(path)
        claim = self._duties.claim([keeper.name for keeper in keepers])
        if claim.refused:
            raise UpdateFailed("interrupted", f"something else is being put onto microcontroller {claim.refused[0]}")
        trials = self._trials[path] = Trials(bundle, package, keepers, claim, self._back_s)
        try:
            await trials.start()
        except EdgedError as error:
            await self._call_off(path)
            why = translated(error)
            if isinstance(error, AWAY) and trials.began and self._duties.went_away(path, bundle):
                why = UpdateRefused("crashed", f"{error.message}, and so it was before", hint=error.hint)
            if isinstance(why, UpdateRefused):
                await self._close_badly(path)
            raise why from error
        except asyncio.CancelledError:
            self._end_trial(path)
            raise

    async def confirm(self, path: str) -> None:
        """On every board; raises UpdateFailed where one does not take it. Those that may have keep it until it is tried again."""
        trials = self._trials[path]
        try:
            await trials.confirm()
        except (*AWAY, BoardRefused) as error:
            if trials.kept or trials.unsure:
                self._duties.leave_open(path, trials.package.hash)
            await self._call_off(path)
            raise UpdateFailed("mcu_away" if isinstance(error, AWAY) else "interrupted", error.message, hint=error.hint) from error
        self._duties.want(path, trials.bundle)
        if trials.package.hash in self._duties.given_up.get(path, ()):
            self._duties.take_up(path, trials.package.hash)
            await self._keep()
        self._duties.close(path)
        self._duties.stayed(path, trials.bundle)
        self._end_trial(path)
        for keeper in self._following(path):
            self._look(keeper, path)  # who was away meanwhile

    async def go_back(self, path: str, bundle: Path | None) -> str:
        """A trial is over, and each board starts anew and so runs what it ran before; or what was confirmed is given up.

        A board that is there, runs that and does not leave it is told of, here and in health; one that is away goes back when it is
        there. Of one that ran something else, and does not get what it is to run instead, health alone tells.
        """
        if path in self._trials:
            await self._call_off(path)
            await self._close_badly(path)
            return ""
        async with self._tending:
            return "; ".join(await self._leave_everywhere(path, bundle))

    async def _leave_everywhere(self, path: str, bundle: Path | None) -> list[str]:
        """Who does not, and why."""
        stay: list[str] = []
        wanted = self._duties.wanted.get(path)
        self._duties.want(path, bundle)
        given_up, unread = await self._give_up(path, wanted) if wanted else (None, "")
        if unread and bundle is None:
            stay.append(unread)
        for keeper in self._following(path):
            if not keeper.present or self._duties.in_hand(keeper.name):
                self._look(keeper, path)
            elif not self._duties.has_failed(keeper.name, path):
                ran = given_up is not None and BoardTrial(keeper, given_up, self._back_s).runs
                troubles = await self._tend(keeper, path)
                stay += troubles if ran or unread else ()
        return stay

    async def _give_up(self, path: str, bundle: Path) -> tuple[Package | None, str]:
        """No board is to run what is in there any more; what that is, or, where it cannot be read, that nobody knows, in words."""
        try:
            package = await read(bundle, path)
        except EdgedError as error:
            log.error("%s: boards that run it cannot be told: %s", path, error)
            return None, f"boards that run it cannot be told: {error.message}"
        self._duties.give_up(path, package.hash)
        await self._keep()
        return package, ""

    async def abandon(self, path: str) -> None:
        """Those that kept what some did not are not to."""
        await self._close_badly(path)

    def usual(self, path: str) -> tuple[Seen, ...]:
        """Nothing to compare with."""
        return ()

    def trial(self, path: str) -> Seen | Verdict | None:
        """A verdict once all boards have one; raises UpdateFailed where one is away, of which nothing follows but at last."""
        trials = self._trials[path]
        try:
            return trials.verdict(time.monotonic(), self._span_s)
        except UpdateFailed as error:
            if error.code == "mcu_away" and self._duties.went_away(path, trials.bundle):
                return Verdict("crashed", f"{error.message}, and so it was before")
            self._end_trial(path)
            raise

    async def run(self) -> None:
        """Put what is confirmed onto boards that run something else, and see that none runs what was given up, for ever."""
        while True:
            self._wake.clear()
            while await self._tend_next():
                pass
            await self._wake.wait()

    async def _tend_next(self) -> bool:
        """False if nothing is due."""
        async with self._tending:
            if (task := self._duties.next()) is None:
                return False
            name, path = task
            keeper = self._mcus.keepers.get(name)
            if keeper and keeper.present and path in paths_of(keeper.settings):
                await self._tend(keeper, path)
            return True

    async def _tend(self, keeper: Keeper, path: str) -> tuple[str, ...]:
        """Have a board that nobody has in hand run what it is to; what keeps it from that, of which health tells as well."""
        wanted = self._duties.wanted.get(path)
        try:
            with self._duties.claim([keeper.name]):
                if wanted is not None:
                    await mend(keeper, path, wanted, self._duties, self._back_s)
                else:
                    await leave(keeper, path, self._duties.given_up.get(path, ()))
        except AWAY as error:
            log.debug("mcu %s: %s: %s", keeper.name, path, error)
            if keeper.present:
                self._try_again(keeper, path, error)
            return (f"{keeper.name}: {error.message}",)
        except EdgedError as error:
            log.error("mcu %s: %s: it does not run what it is to: %s", keeper.name, path, error)
            self._duties.failed(keeper.name, path, wanted)
            self._mcus.note_mended(keeper, path, f"{path}: {error.message}")
            self._tries.pop((keeper.name, path), None)
            return (f"{keeper.name}: {error.message}",)
        else:
            self._mcus.note_mended(keeper, path, "")
            self._tries.pop((keeper.name, path), None)
            return ()
        finally:
            self._wake.set()

    def _try_again(self, keeper: Keeper, path: str, error: EdgedError) -> None:
        """A board that is there and does not answer this: after a growing pause, since nothing else would come of itself."""
        tries = self._tries.setdefault((keeper.name, path), Tries(self._again_s))
        if tries.failed() == TOLD_AFTER:
            log.warning("mcu %s: %s: it does not run what it is to yet: %s", keeper.name, path, error)
            self._mcus.note_mended(keeper, path, f"{path}: {error.message}")
        asyncio.get_running_loop().call_later(tries.pause_s, self._look, keeper, path)

    async def _call_off(self, path: str) -> None:
        await self._trials[path].call_off()
        self._end_trial(path)

    async def _close_badly(self, path: str) -> None:
        """An image is refused that some boards kept: they are not to."""
        if self._duties.close_badly(path):
            await self._keep()
            for keeper in self._following(path):
                self._look(keeper, path)

    async def _keep(self) -> None:
        await undisturbed(self._given_up.write, self._duties.given_up)

    def _end_trial(self, path: str) -> None:
        trials = self._trials.pop(path)
        trials.release()
        for board in trials.boards:
            for other in paths_of(board.keeper.settings):  # for which there was no room meanwhile
                self._look(board.keeper, other)

    def _look(self, keeper: Keeper, path: str) -> None:
        self._duties.look(keeper.name, path)
        self._wake.set()

    def _on_known(self, keeper: Keeper) -> None:
        for path in paths_of(keeper.settings):
            if path in self._trials:
                continue
            self._look(keeper, path)
            self._came(path)

    def _following(self, path: str) -> list[Keeper]:
        return [keeper for keeper in self._mcus.keepers.values() if path in paths_of(keeper.settings)]

    def _present(self, path: str) -> list[Keeper]:
        """The boards that follow and are there; raises UpdateFailed if none is."""
        following = self._following(path)
        present = [keeper for keeper in following if keeper.present]
        if not present:
            names = ", ".join(keeper.name for keeper in following) or "no microcontroller"
            raise UpdateFailed("mcu_away", f"{path}: {names} away", hint="It is tried again when one is plugged in.")
        return present
