"""Hears what microcontrollers are told to do, and says what became of it.

Rules: a retained command is refused, since every connection would bring it again; a command is for now, and nobody keeps it while
the device is away. What is done for it is not this connection's: one that is lost costs at most the answer. Answers wait in a queue
of their own, for a minute, go out one at a time beside the events, and only below ``mcu/<mcu>/answer``, where the request may ask
for it (MQTT 5.0, section 4.10).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

from edged.core.clock import ClockReading
from edged.core.errors import BrokerRefused
from edged.core.tasks import run_together
from edged.mqtt.commands import AnswerPayload, encode_answer
from edged.mqtt.incoming import Message
from edged.mqtt.limits import WINDOW
from edged.mqtt.reason import describe, is_refusal
from edged.mqtt.session import Session
from edged.mqtt.topics import Topics

log = logging.getLogger(__name__)

MAX_ANSWERS = 64
"""That wait for the broker; then the oldest goes, whose asker has waited longest. Each may be 100 KB, few are more than one."""

KEPT_S = 60.0
"""From an answer until the broker takes it: who asked has gone by then, and whoever listens next did not ask."""

MAX_CORRELATION_BYTES = 128
"""Of a request's mark that comes back with its answer; clients use 16 or so, and MQTT would allow 64 KiB."""

Reply = Callable[[AnswerPayload], None]

Handle = Callable[[str, Message, Reply], None]
"""Takes what a microcontroller is told, without waiting, and does it in its own time. It replies once, or, to what comes too fast
to be answered, never; how much it takes is for it to bound."""


class Changed(Exception):
    """Ends listening for others; never leaves this file."""


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """An answer on its way. ``shortened``: what it held was given up, to have it arrive at all."""

    topic: str
    correlation: bytes | None
    answer: AnswerPayload
    since_ns: int
    shortened: bool = False


class Requests:
    """``listen`` says for whom; ``serve`` listens on a connection, and answers, also what an earlier one was asked."""

    def __init__(self, topics: Topics, clock: Callable[[], ClockReading]) -> None:
        self._topics = topics
        self._clock = clock
        self._names: frozenset[str] = frozenset()
        self._handle: Handle | None = None
        self._changed = asyncio.Event()
        self._answers: deque[_Outgoing] = deque()
        self._answered = asyncio.Event()
        self._under_way: _Outgoing | None = None
        self._deaf = self._mute = False
        self.dropped = 0
        """Answers for which there was no room, or that nobody waited for any more."""

    def listen(self, names: Collection[str], handle: Handle) -> None:
        """From now on these microcontrollers take commands."""
        starts_or_ends = bool(names) != bool(self._names)
        self._names, self._handle = frozenset(names), handle
        if starts_or_ends:  # else the subscription stays: what came between two would be lost
            self._changed.set()

    async def serve(self, session: Session) -> None:
        """Until the connection is lost: BrokerUnreachable."""
        await run_together(self._listen(session), self._say(session))

    async def _listen(self, session: Session) -> None:
        while True:
            self._changed.clear()
            try:
                await run_together(self._until_changed(), *([self._hear(session)] if self._names else []))
            except Changed:
                continue

    async def _hear(self, session: Session) -> None:
        try:
            async with session.subscribed(self._topics.command("+"), room=WINDOW, as_published=True) as messages:
                if self._deaf:
                    log.info("microcontrollers hear commands again")
                self._deaf = False
                async for message in messages:
                    name = message.topic.removeprefix(self._topics.base).split("/")[2]
                    if self._handle and name in self._names and message.payload:  # else somebody clears what was retained there
                        self._handle(name, message, partial(self._reply, name, message.reply_to, message.correlation))
        except BrokerRefused as error:
            if not self._deaf:
                self._deaf = True
                log.error("microcontrollers hear no commands: %s", error)
            await session.lost()

    def _reply(self, name: str, reply_to: str | None, correlation: bytes | None, answer: AnswerPayload) -> None:
        """Have this said, by the connection that there is or the next one."""
        outgoing = _Outgoing(self._topics.answer(name), None, answer, self._clock().monotonic_ns)
        if reply_to is not None and len(correlation or b"") <= MAX_CORRELATION_BYTES and self._topics.may_answer(name, reply_to):
            outgoing = replace(outgoing, topic=reply_to, correlation=correlation)
        if len(self._answers) == MAX_ANSWERS:
            self._answers.popleft()
            self._drop()
        self._answers.append(outgoing)
        self._answered.set()

    async def _say(self, session: Session) -> None:
        """One at a time, so that events have the window of the connection for themselves."""
        while True:
            while (outgoing := self._next()) is None:
                self._answered.clear()
                await self._answered.wait()
            self._under_way = outgoing
            sent = await session.publish(outgoing.topic, encode_answer(outgoing.answer), correlation=outgoing.correlation)
            # Some brokers hang up on what they find too large: what a connection was lost over never goes out again as it was.
            self._under_way = None if outgoing.shortened else _shortened(outgoing, "the connection ended before the broker had it")
            reason = await sent
            if not is_refusal(reason):
                self._under_way, self._mute = None, False
            elif not outgoing.shortened:
                self._under_way = _shortened(outgoing, f"the broker does not take it: {describe(reason)}")
            elif not self._mute:
                self._mute = True
                log.warning("the broker does not take answers to commands: %s", describe(reason))

    def _next(self) -> _Outgoing | None:
        """What is to be said now; what waited for too long is dropped."""
        oldest_ns = self._clock().monotonic_ns - round(KEPT_S * 1e9)
        while outgoing := self._under_way or (self._answers.popleft() if self._answers else None):
            if outgoing.since_ns >= oldest_ns:
                return outgoing
            self._under_way = None
            self._drop()
        return None

    def _drop(self) -> None:
        self.dropped += 1
        if not self._mute:
            self._mute = True
            log.warning("the broker takes no answers to commands: the oldest are dropped")

    async def _until_changed(self) -> None:
        await self._changed.wait()
        raise Changed


def _shortened(outgoing: _Outgoing, why: str) -> _Outgoing:
    """The same without what the command brought."""
    answer = outgoing.answer
    if answer.result:
        detail = f"done, but what it answers is lost: {why}"
        answer = AnswerPayload(mcu=answer.mcu, id=answer.id, command=answer.command, code="unsaid", detail=detail, result={})
    return replace(outgoing, answer=answer, shortened=True)
