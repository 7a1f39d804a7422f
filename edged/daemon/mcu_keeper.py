"""Keeps one microcontroller: its port open, its reports told, its questions answered; for ever.

Rules: a board that is away, silent or senseless holds up nothing else; one who wants something of it at a time; what is lost is
said once, and once when it is back. Loaded only where a microcontroller is configured: it brings the serial port and the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from edged.core.backoff import Backoff
from edged.core.errors import BoardRefused, BoardSilent, PortLost
from edged.core.event import Occurrence
from edged.core.tasks import run_together
from edged.daemon.mcu_log import BoardLog
from edged.mcu.board import Board
from edged.mcu.feed import Feed
from edged.mcu.gateway import Gateway, Policy
from edged.mcu.info import BoardInfo
from edged.mcu.install import BACK_S
from edged.mcu.link import Link
from edged.mcu.report import Hello, Log, Report
from edged.mcu.settings import McuSettings

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between looks for a port that is not there. A stat of a file in memory costs nothing."""

RETRY_MIN_S, RETRY_MAX_S = 0.5, 30.0
"""Between attempts at a port that is there, and busy, forbidden, or of a board that does not answer."""

SILENT_S = 15.0
"""Three health reports: after so long without a word it is asked whether it is there."""


class Listener(Protocol):
    """Who wants to know."""

    async def on_occurrences(self, occurrences: Sequence[Occurrence]) -> None:
        """This happened; slowness here lets the board's reports wait, and then drop."""

    def on_state(self, keeper: Keeper) -> None:
        """Something about it may be another now."""

    def on_known(self, keeper: Keeper) -> None:
        """It said who it is: it was plugged in, or has started anew."""

    def on_plugged_in(self, keeper: Keeper) -> None:
        """It got its power, or is another than before; told before ``on_known``."""

    def in_hand(self, keeper: Keeper) -> bool:
        """Whether an update has it in hand."""


class Keeper:
    """Run by ``run``, ended by cancelling that. Belongs to the event loop."""

    def __init__(self, name: str, settings: McuSettings, labels: Sequence[str], listener: Listener) -> None:
        self.name = name
        self.settings = settings
        self.labels = labels
        self.gateway = Gateway(name, _policy(settings, labels), time.monotonic_ns())
        self.info: BoardInfo | None = None
        """What it told of itself last; ``None`` while it is away."""
        self.introductions = 0
        """How often it said who it is."""
        self.openings = 0
        """How often its port was opened."""
        self._listener = listener
        self._board: Board | None = None
        self._turn = asyncio.Lock()
        self._ask = asyncio.Event()
        self._changed = asyncio.Event()
        self._plugs = 0
        self._heard_s = 0.0
        self._patient_until_s = 0.0
        self._log = BoardLog(name)

    @property
    def on_trial(self) -> bool:
        """An update is being tried on it: nobody else is to confirm it or start it anew."""
        return self._listener.in_hand(self)

    @property
    def present(self) -> bool:
        """Whether it is there and can be asked."""
        return self._board is not None and self.info is not None

    @property
    def is_starting(self) -> bool:
        """Whether it was told to start anew, and may be away for that."""
        return time.monotonic() < self._patient_until_s

    @property
    def heard_s(self) -> float:
        """When anything came from it, by CLOCK_MONOTONIC."""
        return self._heard_s

    async def run(self) -> None:
        """For ever."""
        backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S, random.random)
        while True:
            known = self.introductions
            try:
                async with Link(self.settings.port, self.settings.baud) as link:
                    await self._live(link)
            except (PortLost, BoardSilent, BoardRefused) as error:
                await self._lose(error)
            if self.introductions != known:
                backoff.reset()
            await self._pause(backoff)

    @asynccontextmanager
    async def board(self) -> AsyncIterator[Board]:
        """The board, for one who wants something of it; raises PortLost if it is away, as what is asked of it does once it goes."""
        async with self._turn:
            if self._board is None:
                raise PortLost(f"microcontroller {self.name} is away: {self.gateway.state.reason or 'not heard yet'}")
            yield self._board

    def configure(self, settings: McuSettings, labels: Sequence[str]) -> None:
        """Other settings hold of what it says and is told; those of its port are the same."""
        asked_anew = settings.sample_ms != self.settings.sample_ms
        self.settings, self.labels = settings, labels
        self.gateway.follow(_policy(settings, labels))
        if asked_anew:
            self._ask.set()

    async def restart(self, board: Board, *, to_loader: bool = False) -> Board:
        """Have it start anew, wait until what is to run then said who it is, and go on with the board that this returns.

        For who has ``board`` from ``board()``. One with USB of its own takes its port with it, and comes back on another: the old
        board is dead then. An answer that is lost, or a port that goes first, says nothing; how often it has started does.

        Raises BoardRefused if its loader finds nothing to run, BoardSilent if nobody speaks, and what ``board`` does.
        """
        before = await self._boots()
        self.gateway.expect_restart()
        self._patient_until_s = time.monotonic() + BACK_S
        try:
            await _reset(board, to_loader)
            await self.until(lambda: self.info is not None and self.info.boots != before and self._is_up(to_loader), BACK_S)
        except TimeoutError as error:
            if self.info is not None and self.info.mode == "loader":
                raise BoardRefused(f"microcontroller {self.name} stays in its loader", hint="It has nothing to run.") from error
            raise BoardSilent(f"microcontroller {self.name} did not come back within {BACK_S:.0f} s") from error
        finally:
            self._patient_until_s = 0.0
            self.gateway.expect_restart(expected=False)
        assert self._board, "who said who it is is there"
        return self._board

    async def _boots(self) -> int:
        """How often it has started, once it said so: what it says first must not pass for what it says after a reset."""
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: self.info is not None, BACK_S)
        if self.info is None:
            raise BoardSilent(f"microcontroller {self.name} did not say who it is within {BACK_S:.0f} s")
        return self.info.boots

    def _is_up(self, to_loader: bool) -> bool:
        return self.info is not None and (self.info.mode == "loader") == to_loader

    async def until(self, condition: Callable[[], bool], within_s: float) -> None:
        """Wait for something that it says; raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def _live(self, link: Link) -> None:
        """As long as the port is open and somebody is heard."""
        self.gateway.opened()
        self.openings += 1
        feed = link.reports()
        self._board = board = Board(link)
        self._heard_s = time.monotonic()
        try:
            await run_together(self._listen(link, feed), self._introduce(board))
        finally:
            self._board = self.info = None

    async def _listen(self, link: Link, feed: Feed[Report]) -> None:
        async for report in feed:
            now_ns = time.monotonic_ns()
            self._heard_s = now_ns / 1e9
            restarts = self.gateway.state.counters.restarts
            found = self.gateway.heard(report, now_ns)
            self.gateway.wire(link.counters.bad, link.gaps, feed.dropped, now_ns)
            if isinstance(report, Log):
                self._log.take(report, self._heard_s)
            if self.gateway.state.counters.restarts != restarts or self._is_news(report):
                self._ask.set()
            await self._tell(found)

    def _is_news(self, report: Report) -> bool:
        """Whether somebody else speaks than who was asked last: the application, after its loader."""
        return isinstance(report, Hello) and (self.info is None or (report.mode == 1) != (self.info.mode == "app"))

    async def _introduce(self, board: Board) -> None:
        """Ask who it is: at first, when it has started anew, and when nothing was heard for long."""
        while True:
            self._ask.clear()
            info = await self._who(board)
            if self.settings.board and info.board != self.settings.board:
                raise BoardRefused(
                    f"{self.settings.port} is a board {info.board}, expected {self.settings.board}",
                    hint="Is another one plugged in there?",
                )
            self._heard_s = time.monotonic()
            self.info = info
            found = self.gateway.tells(info, time.monotonic_ns())
            if found or self.introductions == 0:
                log.info("mcu %s: %s, firmware %s, model %s", self.name, info.board, info.version, _model(info))
            self.introductions += 1
            await self._tell(found)
            if self.gateway.plugs != self._plugs:
                self._plugs = self.gateway.plugs
                self._listener.on_plugged_in(self)
            self._listener.on_known(self)
            if self.settings.sample_ms is not None and info.mode == "app":
                await self._set_sampling(board, self.settings.sample_ms)
            await self._until_asked()

    async def _who(self, board: Board) -> BoardInfo:
        """What it says of itself; one that erases its flash, or starts, for somebody who has the turn may be silent for long."""
        while True:
            try:
                return await board.info()
            except BoardSilent:
                if not self._turn.locked():
                    raise

    async def _until_asked(self) -> None:
        while not self._ask.is_set():
            left_s = self._heard_s + SILENT_S - time.monotonic()
            if left_s <= 0 and not self._turn.locked():  # one that erases its flash may be silent
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(left_s, LOOK_S)):
                    await self._ask.wait()

    async def _set_sampling(self, board: Board, period_ms: int) -> None:
        try:
            self.gateway.samples(await board.sample(period_ms))
        except BoardRefused as error:
            log.warning("mcu %s: sample_ms = %d: %s", self.name, period_ms, error)
            self.gateway.samples(None)
        except BoardSilent:
            if not self._turn.locked():
                raise
            self._ask.set()  # and told again

    async def _lose(self, error: PortLost | BoardSilent | BoardRefused) -> None:
        if self.is_starting:
            return
        if lost := self.gateway.lost(error.message, time.monotonic_ns()):
            log.warning("mcu %s: lost: %s", self.name, error)
            await self._tell((lost,))

    async def _tell(self, found: Sequence[Occurrence]) -> None:
        self._changed.set()
        self._listener.on_state(self)
        if found:
            await self._listener.on_occurrences(found)

    async def _pause(self, backoff: Backoff) -> None:
        """A port that is not there is looked for often; one that is there and does not work is tried ever more rarely."""
        if not self._is_plugged_in():
            backoff.reset()
            await asyncio.sleep(LOOK_S)
        elif self.is_starting:
            await asyncio.sleep(RETRY_MIN_S)
        else:
            await asyncio.sleep(backoff.next_delay_s())

    def _is_plugged_in(self) -> bool:
        return Path(self.settings.port).exists()  # in /dev, which is memory


async def _reset(board: Board, to_loader: bool) -> None:
    try:
        await board.reset(to_loader=to_loader)
    except BoardSilent:
        pass
    except PortLost as error:
        if error.fault != "vanished":
            raise


def _policy(settings: McuSettings, labels: Sequence[str]) -> Policy:
    return Policy(labels, settings.publish, settings.min_score)


def _model(info: BoardInfo) -> str:
    model = f"{info.model.name} {info.model.version}" if info.model.name else "none"
    return f"{model}, which it refuses: {info.diagnosis}" if info.diagnosis else model
