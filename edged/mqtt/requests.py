"""Hears what microcontrollers are told to do, and says what became of it.

Rules: a retained command is refused, since every connection would bring it again; a command is for now, and nobody keeps it while
the device is away; an answer goes where the request says (MQTT 5.0, section 4.10), but never where this device speaks for itself,
and without such a word to ``mcu/<mcu>/answer``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from edged.core.errors import BrokerRefused, BrokerUnreachable
from edged.core.tasks import run_together
from edged.mqtt.commands import AnswerPayload, encode_answer
from edged.mqtt.incoming import WILDCARDS, Message
from edged.mqtt.limits import WINDOW
from edged.mqtt.session import Session
from edged.mqtt.topics import Topics

log = logging.getLogger(__name__)

Handle = Callable[[str, Message], Awaitable[AnswerPayload]]
"""Does what a microcontroller is told, however long that takes, and answers; it bounds how many wait."""


class Changed(Exception):
    """Ends listening for others; never leaves this file."""


class Requests:
    """``listen`` says for whom; ``serve`` listens on a connection."""

    def __init__(self, topics: Topics, prefix: str) -> None:
        self._topics = topics
        self._own = f"{prefix}/"
        self._names: frozenset[str] = frozenset()
        self._handle: Handle | None = None
        self._changed = asyncio.Event()
        self._refused = False

    def listen(self, names: Collection[str], handle: Handle) -> None:
        """From now on these microcontrollers take commands."""
        if frozenset(names) != self._names or handle != self._handle:
            self._names, self._handle = frozenset(names), handle
            self._changed.set()

    async def serve(self, session: Session) -> None:
        """Until the connection is lost: BrokerUnreachable."""
        while True:
            self._changed.clear()
            try:
                await run_together(self._until_changed(), *([self._hear(session)] if self._names else []))
            except Changed:
                continue

    async def _hear(self, session: Session) -> None:
        answering: set[asyncio.Task[None]] = set()
        try:
            async with session.subscribed(self._topics.command("+"), room=WINDOW) as messages:
                async for message in messages:
                    name = message.topic.removeprefix(self._topics.base).split("/")[2]
                    if name in self._names and message.payload:  # else somebody clears what was retained there
                        task = asyncio.create_task(self._answer(session, name, message))
                        answering.add(task)
                        task.add_done_callback(answering.discard)
        except BrokerRefused as error:
            if not self._refused:
                self._refused = True
                log.error("microcontrollers hear no commands: %s", error)
            await session.lost()
        finally:
            for task in answering:
                task.cancel()

    async def _answer(self, session: Session, name: str, message: Message) -> None:
        assert self._handle
        answer = await self._handle(name, message)
        topic, correlation = self._topics.answer(name), None
        if message.reply_to and self._is_theirs(message.reply_to):
            topic, correlation = message.reply_to, message.correlation
        try:
            await session.publish(topic, encode_answer(answer), correlation=correlation)
        except BrokerUnreachable:
            log.debug("mcu %s: the answer to %s finds no connection", name, answer.command)

    def _is_theirs(self, topic: str) -> bool:
        """Whether an answer may go there: who may send commands shall not speak in the name of devices by that."""
        named = not any(wildcard in topic for wildcard in WILDCARDS) and not topic.startswith("$")
        return named and (not topic.startswith(self._own) or (topic.startswith(f"{self._topics.base}/mcu/") and "/answer" in topic))

    async def _until_changed(self) -> None:
        await self._changed.wait()
        raise Changed
