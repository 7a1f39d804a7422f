"""Who listens for commands on a connection, and how answers go out on it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest
from broker import FAST, Listener, StandIn, clock, open_store, running, settings_for, until

from edged.core.clock import ClockReading
from edged.mqtt.commands import AnswerPayload
from edged.mqtt.incoming import Message
from edged.mqtt.publisher import Publisher
from edged.mqtt.requests import KEPT_S, MAX_ANSWERS, Reply
from edged.testing.broker import Mosquitto

ANSWER = "/mcu/porch/answer"


def answer(id: str, **result: str) -> AnswerPayload:
    return AnswerPayload(mcu="porch", id=id, command="info", code="ok", detail="", result=result)


def nothing(mcu: str, message: Message, reply: Reply) -> None:
    """Take it, and never answer."""


async def test_each_time_that_a_broker_lets_nobody_listen_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    refusals = {1, 2, 4}
    async with open_store(tmp_path) as store, StandIn(grant=lambda number: 0x87 if number in refusals else 1) as broker:
        publisher = Publisher(settings_for(broker.port, protocol="5"), "home", "pi", store, clock, timing=FAST)
        publisher.listen(["porch"], nothing)

        def said() -> list[str]:
            return [record.message.split(":")[0] for record in caplog.records if "hear" in record.message]

        async with running(publisher.run()):
            for number in (1, 2, 3, 4):
                await broker.wait(lambda number=number: len(broker.subscribed) == number)  # type: ignore[misc]
                await until(lambda number=number: len(said()) >= (1, 1, 2, 3)[number - 1])  # type: ignore[misc]
                broker.connections[-1].writer.close()
    assert said() == [
        "microcontrollers hear no commands",
        "microcontrollers hear commands again",
        "microcontrollers hear no commands",
    ]


async def asked(mosquitto: Mosquitto, replies: list[Reply], payload: bytes = b"x", *, retain: bool = False) -> Reply:
    """What answers a command that was just published."""
    before = len(replies)
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.publish("edged/v1/home/pi/mcu/porch/command", payload, qos=1, retain=retain)
    await until(lambda: len(replies) > before)
    return replies[-1]


@asynccontextmanager
async def serving(directory: Path, mosquitto: Mosquitto, replies: list[Reply]) -> AsyncIterator[Publisher]:
    async with open_store(directory) as store:
        publisher = Publisher(settings_for(mosquitto.port, protocol="5"), "home", "pi", store, clock, timing=FAST)
        publisher.listen(["porch"], lambda mcu, message, reply: replies.append(reply))
        async with running(publisher.run()):
            await until(lambda: publisher.connected)
            yield publisher


async def test_answers_wait_for_a_connection_and_the_oldest_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    replies: list[Reply] = []
    with Mosquitto(tmp_path) as mosquitto:
        async with serving(tmp_path, mosquitto, replies), Listener().listening(mosquitto.port) as heard:
            reply = await asked(mosquitto, replies)
            for number in range(MAX_ANSWERS + 5):
                reply(answer(str(number)))
            await until(lambda: len(heard.payloads(ANSWER)) == MAX_ANSWERS)
            ids = [int(json.loads(payload)["id"]) for payload in heard.payloads(ANSWER)]
            assert ids == [*range(5, MAX_ANSWERS + 5)]
    assert ["dropped" in record.message for record in caplog.records if "answers" in record.message] == [True], "said once"


async def test_what_waited_for_a_minute_is_not_answered_any_more(tmp_path: Path) -> None:
    replies: list[Reply] = []
    later_s = 0.0

    def time() -> ClockReading:
        now = clock()
        return replace(now, monotonic_ns=now.monotonic_ns + round(later_s * 1e9))

    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = Publisher(settings_for(mosquitto.port, protocol="5"), "home", "pi", store, time, timing=FAST)
            publisher.listen(["porch"], lambda mcu, message, reply: replies.append(reply))
            async with running(publisher.run()):
                await until(lambda: publisher.connected)
                reply = await asked(mosquitto, replies)
            reply(answer("old"))
            later_s = KEPT_S / 2
            reply(answer("new"))
            later_s = KEPT_S + 1
            async with Listener().listening(mosquitto.port) as heard, running(publisher.run()):
                await until(lambda: bool(heard.payloads(ANSWER)))
    assert [json.loads(payload)["id"] for payload in heard.payloads(ANSWER)] == ["new"]


@pytest.mark.parametrize("options", ["max_packet_size 8192", "message_size_limit 8192"])
async def test_an_answer_that_the_broker_does_not_take_is_said_without_its_result(tmp_path: Path, options: str) -> None:
    replies: list[Reply] = []
    with Mosquitto(tmp_path, options=options) as mosquitto:
        async with serving(tmp_path, mosquitto, replies), Listener().listening(mosquitto.port) as heard:
            reply = await asked(mosquitto, replies)
            reply(answer("large", data="x" * 10_000))
            reply(answer("small", data="x"))
            await until(lambda: len(heard.payloads(ANSWER)) == 2)
    codes = {it["id"]: (it["code"], it["result"]) for it in map(json.loads, heard.payloads(ANSWER))}
    assert codes == {"large": ("unsaid", {}), "small": ("ok", {"data": "x"})}
