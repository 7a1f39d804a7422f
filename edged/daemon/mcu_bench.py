"""Firmware and models of microcontrollers as updates see them: checked here, tried by the boards, confirmed or gone back from.

Rules: what is confirmed under an id is what every board that follows it is to run; a board that is away holds up nobody, and gets
it when it is back; one on trial that hears nothing more goes back by itself, so that it is asked what is true. The slots of
``edged.ota`` say what was confirmed; those of a board say what it can run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edged.core.errors import BoardRefused, BoardSilent, EdgedError, ImageRefused, PortLost, UpdateCode, UpdateFailed, UpdateRefused
from edged.daemon.mcu_trial import SELF_TEST_S, BoardTrial
from edged.daemon.mcus import Mcus
from edged.mcu.bundle import Package, read_package
from edged.mcu.gateway import short
from edged.mcu.settings import McuSettings
from edged.ota.judgement import Seen, Verdict
from edged.ota.target import SignedTarget

if TYPE_CHECKING:
    from edged.daemon.mcu_keeper import Keeper

log = logging.getLogger(__name__)

FIRMWARE, MODEL = "mcu-firmware", "mcu-model"
KINDS = (FIRMWARE, MODEL)

AWAY = (PortLost, BoardSilent)
"""Nothing is known against what was to be installed."""

CODES: dict[str, UpdateCode] = {
    "wrong board": "not_for_device",
    "wrong key": "bad_signature",
    "downgrade": "rolled_back",
    "too large": "oversized",
    "unreadable": "malformed",
    "malformed": "malformed",
    "wrong kind": "malformed",
}
"""Of an image that must not go to a board; anything else is ``model_refused``."""


def paths_of(mcu: McuSettings) -> Iterator[str]:
    """What a microcontroller follows, each as ``<kind>/<id>``."""
    if mcu.follow_firmware:
        yield f"{FIRMWARE}/{mcu.follow_firmware}"
    if mcu.follow_model:
        yield f"{MODEL}/{mcu.follow_model}"


def followed_by(mcus: Mapping[str, McuSettings]) -> dict[str, tuple[str, ...]]:
    """By what is followed: the names of the microcontrollers that do."""
    found: dict[str, tuple[str, ...]] = {}
    for name, mcu in mcus.items():
        for path in paths_of(mcu):
            found[path] = (*found.get(path, ()), name)
    return found


class McuBench:
    """``wanted`` is what is confirmed under each path, ``None`` where that is whatever a board has. Belongs to the event loop."""

    def __init__(self, mcus: Mcus, span_s: float, came: Callable[[str], None]) -> None:
        self._mcus = mcus
        self._span_s = span_s
        self._came = came
        self._trials: dict[str, dict[str, BoardTrial]] = {}
        self._on_trial: dict[str, Path] = {}
        self._to_mend: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.wanted: dict[str, Path | None] = {}
        mcus.came = self._on_known

    def settle(self, wanted: Mapping[str, Path | None]) -> None:
        """What the slots say now: no trial is under way any more."""
        self.wanted = dict(wanted)
        for path in list(self._trials):
            self._end_trial(path)
        for keeper in self._mcus.keepers.values():
            self._on_known(keeper)

    async def probe(self, signed: SignedTarget, bundle: Path) -> str:
        """Whole, and meant for each board that is there; returns the hash of its file. Its signature is judged by the loader."""
        package = await _read(bundle, signed.target.kind)
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
        """Onto every board that is there, then all of them start anew: their own trials begin together."""
        package, keepers = await _read(bundle, path), self._present(path)
        if busy := [keeper.name for keeper in keepers if keeper.on_trial]:
            raise UpdateFailed("interrupted", f"something else is being put onto microcontroller {busy[0]}")
        self._on_trial[path] = bundle
        trials = self._trials[path] = {keeper.name: BoardTrial(keeper, package) for keeper in keepers}
        for keeper in keepers:
            keeper.on_trial = True
        try:
            for trial in trials.values():  # one after the other: a Pi's own work goes on beside it
                await trial.bring()
            _raise_worst(await asyncio.gather(*(trial.begin() for trial in trials.values()), return_exceptions=True))
        except EdgedError as error:
            await self._call_off(path)
            raise _translated(error) from error
        except asyncio.CancelledError:
            self._end_trial(path)
            raise

    async def confirm(self, path: str) -> None:
        """On every board; raises UpdateFailed where one does not take it, which then goes back by itself."""
        trials = self._trials.get(path, {})
        try:
            for trial in trials.values():
                await trial.confirm()
        except (*AWAY, BoardRefused) as error:
            await self._call_off(path)
            raise UpdateFailed("mcu_away" if isinstance(error, AWAY) else "interrupted", error.message, hint=error.hint) from error
        self.wanted[path] = self._on_trial[path]
        self._end_trial(path)
        for keeper in self._following(path):
            self._to_mend.put_nowait((keeper.name, path))  # who was away meanwhile

    async def go_back(self, path: str, bundle: Path | None) -> None:
        """A trial is over, and each board starts anew and so runs what it ran before; or what was confirmed is given up."""
        if path in self._trials:
            await self._call_off(path)
            return
        given_up, self.wanted[path] = self.wanted.get(path), bundle
        for keeper in self._following(path):
            if bundle is not None:
                self._to_mend.put_nowait((keeper.name, path))
            elif given_up is not None and keeper.present:
                await self._back_to_other_slot(keeper, path, given_up)

    def usual(self, path: str) -> tuple[Seen, ...]:
        """Nothing to compare with."""
        return ()

    def trial(self, path: str) -> Seen | Verdict | None:
        """A verdict once all boards have one; raises UpdateFailed where one is away, of which nothing follows."""
        verdicts = []
        for trial in self._trials[path].values():
            if not trial.keeper.present and not trial.keeper.is_starting:
                self._end_trial(path)
                raise UpdateFailed("mcu_away", f"microcontroller {trial.keeper.name} went away during the trial")
            verdict = trial.verdict(time.monotonic(), self._span_s)
            if verdict and verdict.code != "ok":
                return verdict
            verdicts.append(verdict)
        if any(verdict is None for verdict in verdicts):
            return None
        return Verdict("ok", "; ".join(verdict.detail for verdict in verdicts if verdict))

    async def run(self) -> None:
        """Put what is confirmed onto boards that run something else, for ever."""
        while True:
            name, path = await self._to_mend.get()
            keeper = self._mcus.keepers.get(name)
            wanted = self.wanted.get(path)
            if keeper and wanted and keeper.present and not keeper.on_trial and path in paths_of(keeper.settings):
                await self._mend(keeper, path, wanted)

    async def _mend(self, keeper: Keeper, path: str, wanted: Path) -> None:
        try:
            package = await _read(wanted, path)
            trial = BoardTrial(keeper, package)
            if trial.runs and await trial.is_confirmed():
                self._mcus.note_mended(keeper, path, "")
                return
            log.info("mcu %s: is to run %s %s", keeper.name, path, package.version)
            keeper.on_trial = True
            await trial.bring()
            await trial.begin()
            await trial.confirm()
        except AWAY as error:
            log.debug("mcu %s: %s: %s", keeper.name, path, error)
        except EdgedError as error:
            log.error("mcu %s: %s cannot be put onto it: %s", keeper.name, path, error)
            self._mcus.note_mended(keeper, path, f"{path}: {error.message}")
        else:
            self._mcus.note_mended(keeper, path, "")
            log.info("mcu %s: runs %s %s", keeper.name, path, package.version)
        finally:
            keeper.on_trial = False

    async def _back_to_other_slot(self, keeper: Keeper, path: str, given_up: Path) -> None:
        """What a board had before anything was installed: only its other slot knows."""
        package = await _read(given_up, path)
        if short(package.hash) not in {keeper.gateway.state.firmware, keeper.gateway.state.model}:
            return
        try:
            async with keeper.board() as board:
                await board.revert(package.number)
                await keeper.restart(board)
                await keeper.until(lambda: keeper.gateway.state.self_test != "not run", SELF_TEST_S)
                await board.confirm()
        except (*AWAY, BoardRefused, TimeoutError) as error:
            log.error("mcu %s: %s: it does not go back: %s", keeper.name, path, error)

    async def _call_off(self, path: str) -> None:
        """Each board that runs what was on trial starts anew; one that is away goes back by itself."""
        for trial in self._trials.get(path, {}).values():
            try:
                await trial.call_off()
            except (*AWAY, BoardRefused) as error:
                log.warning("mcu %s: goes back by itself: %s", trial.keeper.name, error)
        self._end_trial(path)

    def _end_trial(self, path: str) -> None:
        for trial in self._trials.pop(path, {}).values():
            trial.keeper.on_trial = False
            for other in paths_of(trial.keeper.settings):  # for which there was no room meanwhile
                self._to_mend.put_nowait((trial.keeper.name, other))
        self._on_trial.pop(path, None)

    def _on_known(self, keeper: Keeper) -> None:
        for path in paths_of(keeper.settings):
            if path in self._trials:
                continue
            self._to_mend.put_nowait((keeper.name, path))
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


async def _read(bundle: Path, path: str) -> Package:
    """Raises UpdateRefused for what is no image of the kind."""
    kind = path.partition("/")[0]
    try:
        return await asyncio.to_thread(read_package, bundle, "firmware" if kind == FIRMWARE else "model")
    except ImageRefused as error:
        raise UpdateRefused(CODES.get(error.fault, "malformed"), error.message, hint=error.hint) from error
    except OSError as error:
        raise UpdateFailed("interrupted", f"{error.filename}: {error.strerror}") from error


def _raise_worst(outcomes: Sequence[BaseException | None]) -> None:
    """A refusal says more than that something is away."""
    errors = [error for error in outcomes if error is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, AWAY)), errors[0])


def _translated(error: EdgedError) -> UpdateRefused | UpdateFailed:
    match error:
        case UpdateRefused() | UpdateFailed():
            return error
        case PortLost() | BoardSilent():
            return UpdateFailed("mcu_away", error.message, hint=error.hint)
        case ImageRefused(fault="damaged"):
            return UpdateFailed("interrupted", error.message, hint=error.hint)
        case ImageRefused():
            return UpdateRefused(CODES.get(error.fault, "model_refused"), error.message, hint=error.hint)
    return UpdateFailed("interrupted", error.message, hint=error.hint)
