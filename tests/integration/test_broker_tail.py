from __future__ import annotations

import argparse
import asyncio
import json
import re
from pathlib import Path

import aiomqtt
import msgspec
import pytest
from broker import DEADLINE_S, running, until
from paho.mqtt import publish

from edged.cli import tail
from edged.core.errors import BrokerRefused, BrokerUnreachable, ConfigInvalid
from edged.core.event import (
    Event,
    EventId,
    ModelChanged,
    ObjectAppeared,
    ObjectLeft,
    Occurrence,
    SourceBack,
    SourceLost,
    UpdateChanged,
)
from edged.mqtt.endpoint import read_endpoint
from edged.mqtt.events import encode_event
from edged.mqtt.settings import MqttSettings
from edged.mqtt.topics import Topics
from edged.testing.broker import Mosquitto

BOX = (0.0, 0.0, 10.0, 20.0)
OCCURRENCES: list[tuple[Occurrence, str]] = [
    (ObjectAppeared("door", "a-1", "person", 0.87, BOX, 0, None, "sha"), "door  object_appeared  person  a-1  score 0.87"),
    (
        ObjectLeft("door", "a-1", "person", "left", 4.21, 0.9, BOX, BOX, (), 0, None, "sha"),
        "a-1  dwell 4.2 s  (left)",
    ),
    (SourceLost("gate", "no frames", 0), "gate  source_lost  no frames"),
    (SourceBack("gate", 12.34, 0), "gate  source_back  after 12.3 s"),
    (ModelChanged("detector", "2", "0123456789abcdef", "", "xnnpack", 0), "detector  model_changed  2  0123456789ab  on xnnpack"),
    (
        UpdateChanged("model", "ssd", 4, "2.1", "0123456789abcdef", "reverted", "slow", "30 ms", 0),
        "ssd  update  2.1  0123456789ab  reverted  (slow: 30 ms)",
    ),
]


def event(occurrence: Occurrence, device: str = "pi", seq: int = 1) -> Event:
    return Event(EventId(device, "e", seq), 1_750_000_000_000, "synchronised", occurrence)


def retain(broker: Mosquitto, topic: str, payload: bytes) -> None:
    publish.single(topic, payload, qos=1, retain=True, hostname=broker.host, port=broker.port)


def edged_tail(broker: Mosquitto, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    tail.register(parser.add_subparsers())
    parsed = parser.parse_args(["tail", "--host", broker.host, "--port", str(broker.port), *arguments])
    return int(parsed.run(parsed))


@pytest.mark.parametrize(("occurrence", "expected"), OCCURRENCES, ids=[type(item).__name__ for item, _ in OCCURRENCES])
def test_an_event_is_one_readable_line(occurrence: Occurrence, expected: str) -> None:
    found = tail.line(tail.Heard(Topics("edged/v1", "home", "pi").event(event(occurrence)), encode_event(event(occurrence))))
    assert re.match(r"2025-06-1\d \d\d:\d\d:\d\d  pi  ", found)
    assert expected in found


def test_what_is_heard_is_printed_by_scope(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Mosquitto(tmp_path) as broker:
        for device in ("pi", "other"):
            topics = Topics("edged/v1", "home", device)
            retain(broker, topics.availability, b"online")
            happened = event(SourceLost("door", "cable", 0), device)
            retain(broker, topics.event(happened), encode_event(happened))
        assert edged_tail(broker, "--count", "4") == 0
        lines = capsys.readouterr().out.splitlines()
        assert sum("source_lost  cable" in line for line in lines) == 2
        assert "edged/v1/home/pi/availability  online" in lines
        assert edged_tail(broker, "--count", "2", "--fleet", "home", "--device", "other", "--json") == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {message["topic"].split("/")[3] for message in found} == {"other"}
        assert {"topic": "edged/v1/home/other/availability", "payload": "online"} in found
        assert any(isinstance(message["payload"], dict) and message["payload"]["kind"] == "source_lost" for message in found)
        assert edged_tail(broker, "--count", "1", "--topic", "+/+/+/pi/availability") == 0
        assert capsys.readouterr().out == "edged/v1/home/pi/availability  online\n"


@pytest.mark.parametrize("payload", [b"\x1b]0;owned\x07", b"\xff\xfe", b"{}", b"", b"[" * 100_000, b"NaN"])
def test_nothing_from_the_wire_reaches_the_terminal_as_an_order(payload: bytes) -> None:
    assert tail.line(tail.Heard("edged/v1/home/pi/event/object_left/door", payload)).isprintable()
    hostile = event(SourceLost("door\x1b[2J", "\r\nroot:", 0))
    assert tail.line(tail.Heard("a/event/b", encode_event(hostile))).isprintable()
    assert "\n" not in tail.json_line(tail.Heard("a", payload))
    assert msgspec.json.decode(tail.json_line(tail.Heard("a", payload)))


async def test_an_outage_is_sat_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[bytes] = []

    async def listen() -> None:
        async for message in tail.follow(endpoint, "news/#"):
            heard.append(message.payload)  # noqa: PERF401 - it never ends

    with Mosquitto(tmp_path) as broker:
        endpoint = read_endpoint(MqttSettings(host=broker.host, port=broker.port), "", "", b"")
        async with running(listen()):
            for news in (b"one", b"two"):
                async with asyncio.timeout(DEADLINE_S):
                    async with aiomqtt.Client(broker.host, broker.port) as client:
                        await client.publish("news/today", news, qos=1, retain=True)
                    await until(lambda news=news: news in heard)
                broker.kill()
                broker.start()
    said = capsys.readouterr().err
    assert said.count("trying again") in {1, 2}
    assert "again" in said


def test_no_broker_is_explained(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with pytest.raises(BrokerUnreachable, match=str(broker.port)):
        edged_tail(broker)


def test_a_wrong_password_is_explained(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("wrong")
    password.chmod(0o600)
    with Mosquitto(tmp_path, passwords={"me": "right"}) as broker, pytest.raises(BrokerRefused) as caught:
        edged_tail(broker, "--username", "me", "--password-file", str(password))
    assert "--password-file" in caught.value.hint


def test_a_filter_that_is_none_is_explained(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, pytest.raises(ConfigInvalid, match="a/#/b"):
        edged_tail(broker, "--topic", "a/#/b")
