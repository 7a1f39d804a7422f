"""Answers to commands on a connection that is scripted: which is said next, and which nobody waits for any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from edged.core.errors import BrokerUnreachable
from edged.mqtt.commands import AnswerPayload
from edged.mqtt.incoming import Message
from edged.mqtt.requests import KEPT_S, Reply, Requests
from edged.mqtt.session import Session
from edged.mqtt.topics import Topics
from edged.testing.virtual import VirtualTime

TOPICS = Topics("edged/v1", "home", "pi")


class Line:
    """A connection that brings ``commands`` at once; ``breaks``: it ends when something is published."""

    def __init__(self, commands: int, *, breaks: bool) -> None:
        self.said: list[str] = []
        self._commands = commands
        self._breaks = breaks

    @asynccontextmanager
    async def subscribed(self, topic: str, **how: Any) -> AsyncIterator[AsyncIterator[Message]]:
        yield self._each()

    async def _each(self) -> AsyncIterator[Message]:
        for _ in range(self._commands):
            yield Message(TOPICS.command("porch"), b"{}", False)
        await asyncio.Event().wait()

    async def publish(self, topic: str, payload: bytes, **how: Any) -> asyncio.Future[int]:
        self.said.append(json.loads(payload)["id"])
        sent: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._breaks:
            sent.set_exception(BrokerUnreachable("gone"))
        else:
            sent.set_result(0)
        return sent


@pytest.mark.timeout(20)  # one that is not dropped is looked at for ever
async def test_an_old_answer_under_way_is_dropped_and_the_next_is_said() -> None:
    time, replies = VirtualTime(), list[Reply]()
    requests = Requests(TOPICS, time.clock)
    requests.listen(["porch"], lambda mcu, message, reply: replies.append(reply))

    def answer(id: str) -> None:
        replies[0](AnswerPayload(mcu="porch", id=id, command="info", code="ok", detail="", result={}))

    lost = asyncio.create_task(requests.serve(cast(Session, broken := Line(1, breaks=True))))
    await time.settle()
    answer("old")
    await asyncio.wait([lost])
    assert isinstance(lost.exception(), BrokerUnreachable) and broken.said == ["old"]
    await time.run_for(KEPT_S + 1)
    answer("new")
    sound = Line(0, breaks=False)
    serving = asyncio.create_task(requests.serve(cast(Session, sound)))
    await time.settle()
    assert (sound.said, requests.dropped) == (["new"], 1)
    serving.cancel()
    await asyncio.wait([serving])
