"""Brokers that hang, hang up, refuse, or hand our name to somebody else; and a disk that is slow to note what they took."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Collection
from pathlib import Path

import pytest
from broker import (
    CONNECT,
    DEADLINE_S,
    FAST,
    Listener,
    StandIn,
    clock,
    lost,
    open_store,
    running,
    settings_for,
    until,
    until_queued,
)

from edged.core.event import Event
from edged.mqtt.limits import WINDOW
from edged.mqtt.publisher import Publisher
from edged.mqtt.timing import Timing
from edged.store.store import Store
from edged.testing.broker import Mosquitto

IMPATIENT = dataclasses.replace(FAST, acknowledge_s=0.3, connect_s=0.3)


def publisher_for(broker: StandIn | Mosquitto, outbox: object, timing: Timing = FAST, **changes: object) -> Publisher:
    return Publisher(settings_for(broker.port, **changes), "home", "pi", outbox, clock, timing=timing)  # type: ignore[arg-type]


class SlowCard:
    """An outbox whose commits wait for the test; ``urgent`` counts those that were asked for at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.writes = asyncio.Event()
        self.urgent = 0

    async def pending(self, after_seq: int, limit: int) -> list[Event]:
        return await self._store.pending(after_seq, limit)

    async def acknowledge(self, seqs: Collection[int], *, urgent: bool = False) -> None:
        self.urgent += urgent
        await self.writes.wait()
        await self._store.acknowledge(seqs, urgent=urgent)

    async def wait_for_outbox(self) -> None:
        await self._store.wait_for_outbox()


class State:
    camera, state, since_ns, width, height, fps, description, reason = "door", "online", 0, 640, 480, 30.0, "USB", ""


async def test_what_is_acknowledged_and_not_yet_committed_counts_as_unsettled(tmp_path: Path) -> None:
    broker = StandIn()
    async with broker, open_store(tmp_path) as store:
        await store.append([lost(number) for number in range(70)])
        card = SlowCard(store)
        publisher = publisher_for(broker, card)
        async with running(publisher.run()):
            await until(lambda: publisher.stats.acknowledged == 20 and card.urgent > 0)
            publisher.camera_state(State())  # type: ignore[arg-type]
            await broker.wait(lambda: any(topic.endswith("/camera/door") for topic, _ in broker.published))
            assert len(broker.events()) == 20  # a cut now is followed by these twenty and no others again
            card.writes.set()
            await publisher.drained()
        assert [event["seq"] for event in broker.events()] == list(range(1, 71))


async def test_a_few_acknowledgements_are_not_urgent(tmp_path: Path) -> None:
    broker = StandIn()
    async with broker, open_store(tmp_path) as store:
        card = SlowCard(store)
        card.writes.set()
        publisher = publisher_for(broker, card)
        async with running(publisher.run()):
            for number in range(5):
                await store.append([lost(number)])
                await publisher.drained()
            assert card.urgent == 0


async def test_a_broker_that_hangs_is_left_and_gets_everything_when_it_goes_on(tmp_path: Path) -> None:
    listener = Listener()
    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store, listener.listening(mosquitto.port):
            publisher = publisher_for(mosquitto, store, IMPATIENT)
            async with running(publisher.run()):
                await store.append([lost(0)])
                await publisher.drained()
                mosquitto.freeze()
                await store.append([lost(number) for number in range(1, 100)])
                await until(lambda: not publisher.connected)
                assert (await store.counts()).queued == 99
                mosquitto.thaw()
                await publisher.drained()
            await until(lambda: len(set(listener.seqs())) == 100)
        check_repeats(listener, publisher)


def check_repeats(listener: Listener, publisher: Publisher) -> None:
    """Only what was on its way when a connection ended comes twice, and that is no more than a window."""
    seqs = listener.seqs()
    assert len(seqs) <= len(set(seqs)) + WINDOW * (publisher.stats.connections - 1)


async def test_a_broker_that_hangs_while_nothing_happens_is_noticed_by_its_silence(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = publisher_for(mosquitto, store, keepalive_s=1)
            async with running(publisher.run()):
                await until(lambda: publisher.connected)
                mosquitto.freeze()
                await until(lambda: not publisher.connected)


async def test_an_acl_that_forgot_a_topic_holds_up_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    doors_only = "topic read #\ntopic write edged/v1/home/pi/availability\ntopic write edged/v1/home/pi/event/+/door\n"
    listener = Listener()
    with Mosquitto(tmp_path, acl=doors_only) as mosquitto:
        async with open_store(tmp_path) as store, listener.listening(mosquitto.port):
            await store.append([lost(number, "gate" if number % 2 else "door") for number in range(40)])
            publisher = publisher_for(mosquitto, store)
            async with running(publisher.run()):
                await until(lambda: len(listener.seqs()) == 20)
                await until(lambda: publisher.stats.refused >= 20)
                assert "refuses event 2: Not authorized" in caplog.text
                await until_queued(store, 20)
                mosquitto.allow("topic readwrite #\n")
                await publisher.drained()
                await until(lambda: len(listener.seqs()) == 40)
    assert sorted(listener.seqs()) == list(range(1, 41))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param("max_packet_size 1000", "refuses event 3: Packet too large", id="and says so at CONNECT"),
        pytest.param("message_size_limit 800", "refuses event 3: it hangs up on it", id="and answers with what MQTT does not know"),
    ],
)
async def test_an_event_too_large_for_the_broker_holds_up_nothing_else(
    tmp_path: Path, options: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    with Mosquitto(tmp_path, options=options) as mosquitto:
        async with open_store(tmp_path) as store, listener.listening(mosquitto.port):
            large = dataclasses.replace(lost(3), reason="x" * 1000)
            await store.append([lost(1), lost(2), large, *(lost(number) for number in range(4, 51))])
            publisher = publisher_for(mosquitto, store)
            async with running(publisher.run()):
                await until(lambda: len(set(listener.seqs())) == 49)
                assert says in caplog.text
                await store.append([lost(51)])
                await until(lambda: 51 in listener.seqs())
                assert (await store.counts()).queued >= 1
    assert 3 not in listener.seqs()


async def test_a_broker_that_hangs_up_on_a_topic_gets_the_others(tmp_path: Path) -> None:
    strict = StandIn(verdict=lambda topic: 0)
    async with strict, open_store(tmp_path) as store:

        def verdict(topic: str) -> int | None:
            if topic.endswith("/gate"):
                strict.connections[-1].writer.transport.abort()
                return None
            return 0

        strict.verdict = verdict
        await store.append([lost(number, "gate" if number % 10 == 5 else "door") for number in range(30)])
        publisher = publisher_for(strict, store)
        async with running(publisher.run()):
            await until(lambda: {event["seq"] for event in strict.events() if event["camera"] == "door"} >= {1, 30})
            strict.verdict = lambda topic: 0
            await publisher.drained()
        assert {event["seq"] for event in strict.events()} == set(range(1, 31))


async def test_a_session_that_is_taken_over_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = StandIn()
    async with broker, open_store(tmp_path) as store:
        publisher = publisher_for(broker, store)
        async with running(publisher.run()):
            await until(lambda: publisher.connected)
            broker.connections[-1].writer.write(b"\xe0\x01\x8e")
            await until(lambda: publisher.stats.connections == 2)
    assert "Session taken over" in caplog.text
    assert "another client uses the same client_id" in caplog.text


async def test_another_client_of_the_same_name_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()
    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store, listener.listening(mosquitto.port):
            publisher = publisher_for(mosquitto, store)
            async with running(publisher.run()):
                await until(lambda: publisher.connected)
                for _ in range(3):
                    appends = [asyncio.create_task(store.append([lost(number)])) for number in range(50)]
                    await _take_over(mosquitto, publisher)
                    await asyncio.gather(*appends)
                await publisher.drained()
                await until(lambda: len(set(listener.seqs())) == 150)
    assert "another client may use the client_id 'edged-home-pi'" in caplog.text  # this broker hangs up without a word
    check_repeats(listener, publisher)


async def _take_over(mosquitto: Mosquitto, publisher: Publisher) -> None:
    """Log in by the publisher's name, and be thrown out in turn when it comes back.

    By a CONNECT of MQTT 3.1.1 alone: aiomqtt forgets that it was thrown out where that comes before its own task runs again.
    """
    before = publisher.stats.connections
    name = b"edged-home-pi"
    reader, writer = await asyncio.open_connection("127.0.0.1", mosquitto.port)
    with contextlib.closing(writer):
        writer.write(bytes([CONNECT << 4, 12 + len(name)]) + b"\0\4MQTT\4\2\0\0" + len(name).to_bytes(2) + name)
        async with asyncio.timeout(DEADLINE_S):
            assert await reader.read() == b"\x20\2\0\0"  # accepted; and then the end
    await until(lambda: publisher.stats.connections > before)
