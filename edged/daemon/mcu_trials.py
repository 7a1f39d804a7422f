"""An update on trial on several boards at once: all of them are to keep it.

Rules: the boards are in hand from the first byte to the end; a board's own trial (120 s from its start) runs beside ours, and ours
ends before the first of them does, however late the slowest board came.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edged.core.errors import BoardRefused, BoardSilent, PortLost, UpdateFailed
from edged.daemon.mcu_trial import BoardTrial
from edged.ota.judgement import Verdict

if TYPE_CHECKING:
    from edged.daemon.mcu_keeper import Keeper
    from edged.mcu.bundle import Package
    from edged.mcu.duties import Claim

log = logging.getLogger(__name__)

CONFIRM_WITHIN_S = 100.0
"""From the first start until all boards are told to keep it, of the 120 s after which one that was not goes back. A start takes a
minute and a self-test half of one at most, which leaves ten seconds to look at the slowest: two of its reports."""

AWAY = (PortLost, BoardSilent)
"""Nothing is known against what was to be installed."""


class Trials:
    """Of the image in ``bundle``, on the boards of ``keepers``, which ``claim`` has in hand until ``release``."""

    def __init__(self, bundle: Path, package: Package, keepers: Collection[Keeper], claim: Claim, back_s: float) -> None:
        self.bundle = bundle
        self.package = package
        self.boards = tuple(BoardTrial(keeper, package, back_s) for keeper in keepers)
        self.kept: list[str] = []
        """The boards that were told to keep it, and do."""
        self.unsure = False
        """Whether any was told to keep it, and its answer is lost: it may."""
        self.began = False
        """Whether any was told to start it."""
        self._claim = claim

    async def start(self) -> None:
        """Onto every board, then all of them start anew: their own trials begin together. Raises what ``BoardTrial`` does."""
        for board in self.boards:  # one after the other: a Pi's own work goes on beside it
            await board.bring()
        self.began = True
        _raise_worst(await asyncio.gather(*(board.begin() for board in self.boards), return_exceptions=True))

    def verdict(self, now_s: float, window_s: float) -> Verdict | None:
        """Once all boards have one, or the first that is bad; raises UpdateFailed where there can be none."""
        ends_s = min((board.up_s for board in self.boards if board.up_s is not None), default=now_s + window_s) + CONFIRM_WITHIN_S
        verdicts = [board.verdict(now_s, min(window_s, ends_s - board.since_s)) for board in self.boards]
        if bad := next((verdict for verdict in verdicts if verdict and verdict.code != "ok"), None):
            return bad
        if all(verdicts):
            return Verdict("ok", "; ".join(verdict.detail for verdict in verdicts if verdict))
        if now_s >= ends_s:
            late = ", ".join(board.keeper.name for board, verdict in zip(self.boards, verdicts, strict=True) if verdict is None)
            raise UpdateFailed(
                "mcu_away" if any(board.is_gone for board in self.boards) else "interrupted",
                f"microcontroller {late} said too little before the trial of the first was over",
            )
        return None

    async def confirm(self) -> None:
        """On every board at once, before the trial of any is over; raises the worst of what ``BoardTrial`` does."""
        outcomes = await asyncio.gather(*(board.confirm() for board in self.boards), return_exceptions=True)
        for board, outcome in zip(self.boards, outcomes, strict=True):
            if outcome is None:
                self.kept.append(board.keeper.name)
            self.unsure = self.unsure or isinstance(outcome, AWAY)
        _raise_worst(outcomes)

    async def call_off(self) -> None:
        """Each board that runs it and does not keep it starts anew; one that is away goes back by itself."""
        for board in self.boards:
            try:
                await board.call_off()
            except (*AWAY, BoardRefused) as error:
                log.warning("mcu %s: goes back by itself: %s", board.keeper.name, error)

    def release(self) -> None:
        """Let go of the boards."""
        self._claim.release()


def _raise_worst(outcomes: Sequence[BaseException | None]) -> None:
    """A refusal says more than that something is away."""
    errors = [error for error in outcomes if error is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, AWAY)), errors[0])
