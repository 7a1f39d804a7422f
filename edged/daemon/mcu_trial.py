"""One board's part in a trial: the image brought to it, started, watched, and kept or not.

A board that starts anew may come back on another port (USB of its own): nothing here holds a ``Board`` over that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edged.core.errors import BoardRefused, BoardSilent, UpdateFailed, UpdateRefused
from edged.core.mcu import POWER_ON
from edged.ota.judgement import Verdict

if TYPE_CHECKING:
    from edged.daemon.mcu_keeper import Keeper
    from edged.mcu.bundle import Package

SELF_TEST_S = 30.0
"""From its start until a board has compared its answers with the golden vectors."""

MIN_REPORTS = 2
"""Of a board on trial before it is confirmed: it says every five seconds how it is."""

SILENT_S = 20.0
"""Four of these reports. Its own watchdog acts sooner; this is for a board whose line is dead and whose program is not."""


class BoardTrial:
    """``keeper``'s board and ``package``. One that is gone for longer than ``back_s`` while it is watched is away."""

    def __init__(self, keeper: Keeper, package: Package, back_s: float) -> None:
        self.keeper = keeper
        self.since_s = 0.0
        """When it had started and tested itself."""
        self.up_s: float | None = None
        """When it had started, where its own trial began with that."""
        self._package = package
        self._back_s = back_s
        self._heard_s = 0.0
        self._gone_s: float | None = None
        self._reports = self._restarts = self._boots = 0

    @property
    def runs(self) -> bool:
        """Whether the board runs it."""
        from edged.mcu.gateway import short  # loads the protocol: only where there is a board

        state = self.keeper.gateway.state
        return short(self._package.hash) == (state.model if self._package.number else state.firmware)

    @property
    def is_gone(self) -> bool:
        """Whether it is not there, though nobody told it to start anew."""
        return not self.keeper.present and not self.keeper.is_starting

    async def is_confirmed(self) -> bool:
        """Whether the board keeps what it runs."""
        async with self.keeper.board() as board:
            return any(slot.active and slot.confirmed and slot.hash == self._package.hash for slot in await board.images())

    async def bring(self) -> None:
        """Have a slot of the board hold it; what runs goes on, and so do its results. Raises what ``board`` and ``install`` do."""
        from edged.mcu.install import bring

        async with self.keeper.board() as board:
            if any(slot.active and not slot.confirmed for slot in await board.images()):
                await self.keeper.restart(board)  # a trial that nobody confirmed any more: it ends by this
        async with self.keeper.board() as board:
            self._package.admit(await board.info())
            await bring(board, self._package.image, self._package.data)

    async def begin(self) -> None:
        """Start it on trial, and have it test itself; raises UpdateRefused where it does not start, or fails."""
        if not (self.runs and await self.is_confirmed()):
            async with self.keeper.board() as board:
                await board.test(self._package.hash)
                await self.keeper.restart(board)
            self.up_s = time.monotonic()
        if not self.runs:
            raise UpdateRefused("model_refused", f"microcontroller {self.keeper.name} does not start it, and runs what it ran")
        await until_tested(self.keeper)
        state = self.keeper.gateway.state
        if refusal := self._refusal():
            raise refusal
        self.since_s = self._heard_s = time.monotonic()
        self._reports, self._restarts = state.counters.reports, state.counters.restarts
        self._boots = state.boots

    def verdict(self, now_s: float, window_s: float) -> Verdict | None:
        """``None`` to go on; raises UpdateFailed where the board is away, of which nothing follows."""
        if self.is_gone:
            self._gone_s = now_s if self._gone_s is None else self._gone_s
            if now_s - self._gone_s >= self._back_s:
                raise UpdateFailed("mcu_away", f"microcontroller {self.keeper.name} went away during the trial")
            return None
        self._gone_s = None
        state = self.keeper.gateway.state
        if state.boots != self._boots and state.reset_reason == POWER_ON:
            raise UpdateFailed("mcu_away", f"microcontroller {self.keeper.name} lost its power during the trial")
        if fault := self._fault(now_s):
            return fault
        reports, seen_s = state.counters.reports - self._reports, now_s - self.since_s
        if seen_s < window_s or reports < MIN_REPORTS or state.self_test == "not run":
            return None
        return Verdict("ok", f"{self.keeper.name}: {reports} reports in {seen_s:.0f} s, {self._tested()}")

    def _tested(self) -> str:
        state = self.keeper.gateway.state
        if state.self_test != "none":
            return f"self-test {state.self_test}"
        return "no golden vectors: it loads, and its answers were compared with none" if state.model else "no model to test"

    def _fault(self, now_s: float) -> Verdict | None:
        name, state = self.keeper.name, self.keeper.gateway.state
        if not self.runs or state.state == "loader":
            return Verdict("crashed", f"microcontroller {name} went back by itself")
        if state.counters.restarts > self._restarts:
            return Verdict("crashed", f"microcontroller {name} started anew by itself")
        if refusal := self._refusal():
            return Verdict(refusal.code, refusal.message)
        self._heard_s = max(self._heard_s, self.keeper.heard_s)
        if now_s - self._heard_s > SILENT_S:
            return Verdict("hung", f"microcontroller {name} has said nothing for {SILENT_S:.0f} s")
        return None

    def _refusal(self) -> UpdateRefused | None:
        """A board that cannot run its model has failed its self-test as well: what it says of the reason comes first."""
        name, state = self.keeper.name, self.keeper.gateway.state
        if state.diagnosis:
            return UpdateRefused("model_refused", f"microcontroller {name} refuses the model: {state.diagnosis}")
        if state.self_test == "failed":
            return UpdateRefused("golden_differs", f"microcontroller {name}: it fails its self-test")
        return None

    async def confirm(self) -> None:
        """Have the board keep it; raises what ``board`` does, and BoardRefused."""
        async with self.keeper.board() as board:
            slots = await board.confirm()
        if not any(slot.active and slot.confirmed and slot.hash == self._package.hash for slot in slots):
            raise BoardRefused(f"microcontroller {self.keeper.name} does not keep what was on trial")

    async def call_off(self) -> None:
        """Have the board start anew if it runs it and does not keep it yet: it goes back by that."""
        if not self.runs:
            return
        async with self.keeper.board() as board:
            if any(slot.active and not slot.confirmed for slot in await board.images()):
                await self.keeper.restart(board)


async def until_tested(keeper: Keeper) -> None:
    """Wait until the board that has started has compared its answers; raises BoardSilent."""
    try:
        await keeper.until(lambda: keeper.gateway.state.self_test != "not run", SELF_TEST_S)
    except TimeoutError as error:
        raise BoardSilent(f"microcontroller {keeper.name} did not test itself within {SELF_TEST_S:.0f} s") from error
