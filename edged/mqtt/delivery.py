"""From the outbox to the broker, over one connection.

Rules: events go out in their order; each stays in the outbox until the broker acknowledged it; none is on its way twice. At most
``WINDOW`` are unsettled, that is published and not yet durably out of the outbox: no more than those are published again after a
power cut. What the broker refuses stays behind and is offered again after a pause, without holding up the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from functools import partial
from typing import Protocol

from edged.core.backoff import Backoff
from edged.core.event import Event
from edged.core.tasks import run_together
from edged.mqtt.events import encode_event
from edged.mqtt.limits import WINDOW
from edged.mqtt.reason import describe, is_refusal
from edged.mqtt.session import Session
from edged.mqtt.stats import Meter
from edged.mqtt.suspicion import Suspicion
from edged.mqtt.topics import Topics

log = logging.getLogger(__name__)

READ_AHEAD = 5 * WINDOW
"""Events read from the outbox at once."""

REFUSALS_IN_A_ROW = WINDOW
"""A broker that refuses so many one after the other refuses everything (a quota): pause before more."""


class Outbox(Protocol):
    """Where events wait for the broker."""

    async def pending(self, after_seq: int, limit: int) -> list[Event]:
        """The oldest events numbered above ``after_seq``."""

    async def acknowledge(self, seqs: Collection[int], *, urgent: bool = False) -> None:
        """Take events out; returns when that is committed, which ``urgent`` does not put off, nor for those handed in before."""

    async def wait_for_outbox(self) -> None:
        """Wait until there may be new events."""


class Delivery:
    """One connection's worth of sending. ``settled`` is set after each commit that takes events out of the outbox."""

    def __init__(
        self,
        outbox: Outbox,
        topics: Topics,
        session: Session,
        meter: Meter,
        *,
        backoff: Backoff,
        suspicion: Suspicion,
        settled: asyncio.Event,
    ) -> None:
        self._outbox = outbox
        self._topics = topics
        self._session = session
        self._meter = meter
        self._backoff = backoff
        self._suspicion = suspicion
        self._settled = settled
        self._cursor = 0
        self._wake = asyncio.Event()
        # Not to be sent (again) by a round that begins now: what waits for its answer or for its commit, and, until the outbox is
        # read again, what was committed since it was read.
        self._unsettled: set[int] = set()
        self._settled_since: list[int] = []
        self._unanswered: dict[int, asyncio.Future[int]] = {}
        self._acknowledged: list[int] = []
        self._answered = asyncio.Event()
        self._room = asyncio.Semaphore(WINDOW)
        self._starved = False  # an event waits for room
        self._uncommitted = 0  # acknowledged, and not yet durably out of the outbox
        self._due = asyncio.Event()
        self._refusals = 0
        self._refused_seq: int | None = None  # the one that was said
        self._new_round: asyncio.TimerHandle | None = None
        self._round_is_due = False

    async def run(self) -> None:
        """Send what the outbox holds, and what comes; raises BrokerUnreachable when the connection is lost, and StoreFailed."""
        try:
            await run_together(self._send_all(), self._watch(), self._settle(), self._hurry())
        finally:
            self._suspicion.on_lost(self._unanswered)
            if self._new_round is not None:
                self._new_round.cancel()

    async def flush(self, *, urgent: bool = True) -> None:
        """Take out of the outbox what was acknowledged until now, in one commit.

        Cancelled half-way it leaves the list as it was: settled twice does no harm, but forgotten they would all be sent again.
        """
        seqs, self._acknowledged = self._acknowledged, []
        if not (seqs or (urgent and self._uncommitted)):
            return
        try:
            await self._outbox.acknowledge(seqs, urgent=urgent)
        except BaseException:
            self._acknowledged = seqs + self._acknowledged
            raise
        self._settled_since += seqs
        self._uncommitted -= len(seqs)
        for _ in seqs:
            self._room.release()
        self._settled.set()

    async def _send_all(self) -> None:
        while True:
            self._wake.clear()
            self._unsettled.difference_update(self._settled_since)
            self._settled_since.clear()
            events = await self._outbox.pending(self._cursor, READ_AHEAD)
            for event in events:
                if self._refusals >= REFUSALS_IN_A_ROW:
                    self._refusals = 0
                    await asyncio.sleep(self._backoff.next_delay_s())
                await self._send(event)
            if events:
                continue
            # A new round begins at the end of the one before, not sooner: those behind the refused ones have their turn first.
            if self._round_is_due:
                self._round_is_due = False
                self._cursor = 0
            else:
                await self._wake.wait()

    async def _send(self, event: Event) -> None:
        seq = event.id.seq
        if seq not in self._unsettled:
            if self._suspicion.is_convicted(seq):
                self._on_refusal(seq, "it hangs up on it")
            else:
                await self._publish(event)
        self._cursor = seq

    async def _publish(self, event: Event) -> None:
        seq = event.id.seq
        alone = self._suspicion.is_suspect(seq)
        if alone and self._unanswered:
            await asyncio.wait(self._unanswered.values())
        await self._take_room()
        self._unsettled.add(seq)
        acknowledgement = await self._session.publish(self._topics.event(event), encode_event(event))
        self._unanswered[seq] = acknowledgement
        self._meter.on_published()
        acknowledgement.add_done_callback(partial(self._on_acknowledgement, seq))
        if alone:
            await asyncio.wait([acknowledgement])

    async def _take_room(self) -> None:
        self._starved = self._room.locked()
        self._check_due()
        await self._room.acquire()
        self._starved = False

    def _check_due(self) -> None:
        if self._starved and self._uncommitted == WINDOW:
            self._due.set()

    async def _watch(self) -> None:
        while True:
            await self._outbox.wait_for_outbox()
            self._wake.set()

    async def _settle(self) -> None:
        while True:
            await self._answered.wait()
            self._answered.clear()
            await self.flush(urgent=False)

    async def _hurry(self) -> None:
        """Beside ``_settle``, whose commit waits for others to share it: not when all that is unsettled waits for nothing else."""
        while True:
            await self._due.wait()
            self._due.clear()
            await self.flush()

    def _on_acknowledgement(self, seq: int, acknowledgement: asyncio.Future[int]) -> None:
        if acknowledgement.cancelled() or acknowledgement.exception() is not None:
            return  # the connection is lost, and this object with it
        reason = acknowledgement.result()
        del self._unanswered[seq]
        self._suspicion.on_answered(seq)
        if is_refusal(reason):
            self._unsettled.discard(seq)
            self._room.release()
            self._on_refusal(seq, describe(reason))
            return
        self._refusals = 0
        self._meter.on_acknowledged()
        self._acknowledged.append(seq)
        self._uncommitted += 1
        self._answered.set()
        self._check_due()
        if seq == self._refused_seq:
            self._refused_seq = None
            self._backoff.reset()
            log.warning("the broker takes event %d now", seq)

    def _on_refusal(self, seq: int, reason: str) -> None:
        self._refusals += 1
        self._meter.on_refused()
        if self._refused_seq is None:
            self._refused_seq = seq
            log.error("the broker refuses event %d: %s; it stays in the store and is offered again", seq, reason)
        if self._new_round is None:
            self._new_round = asyncio.get_running_loop().call_later(self._backoff.next_delay_s(), self._begin_round)

    def _begin_round(self) -> None:
        self._new_round = None
        self._suspicion.on_round()
        self._round_is_due = True
        self._wake.set()
