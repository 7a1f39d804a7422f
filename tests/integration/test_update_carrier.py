"""The connection for updates, on a real broker: what is retained, absent, too large, watched, asked and answered."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from broker import DEADLINE_S, FAST, StandIn, running, settings_for, until
from updates import GRACE_S, TOPICS, carrier_on

from edged.core.errors import BrokerRefused, BrokerUnreachable, UpdateFailed
from edged.mqtt.carrier import MqttCarrier
from edged.mqtt.client import ANNOUNCED_PACKET_BYTES, MAX_PACKET_BYTES
from edged.testing.broker import Mosquitto

TOPIC = TOPICS.metadata("stable")
VERSIONS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@VERSIONS
async def test_what_is_retained_is_fetched_and_what_is_not_is_known_to_be_absent(tmp_path: Path, protocol: str) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port, protocol=protocol) as carrier:
            assert await carrier.fetch(TOPIC, 100) is None
            await carrier.publish(TOPIC, b"said", retain=True)
            assert await carrier.fetch(TOPIC, 100) == b"said"
            assert await carrier.fetch(f"{TOPIC}/below", 100) is None
            await carrier.publish(TOPIC, b"", retain=True)
            assert await carrier.fetch(TOPIC, 100) is None


async def test_one_subscription_of_a_topic_at_a_time(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier, carrier.watch(TOPIC) as payloads:
            heard = asyncio.ensure_future(anext(payloads))
            await until(lambda: carrier.connected)
            await carrier.publish(TOPIC, b"said", retain=True)
            assert await heard == b"said"
            with pytest.raises(ValueError, match="already"):
                await carrier.fetch(TOPIC, 100)


@VERSIONS
async def test_a_message_larger_than_asked_for_is_refused(tmp_path: Path, protocol: str) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port, protocol=protocol) as carrier:
            await carrier.publish(TOPIC, bytes(101), retain=True)
            with pytest.raises(UpdateFailed) as failure:
                await carrier.fetch(TOPIC, 100)
            assert failure.value.code == "oversized"


async def test_a_broker_of_version_5_is_told_not_to_send_what_is_larger_than_anything_asked_for(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            await carrier.publish(TOPIC, bytes(ANNOUNCED_PACKET_BYTES), retain=True)
            assert await carrier.fetch(TOPIC, ANNOUNCED_PACKET_BYTES) is None


async def test_a_packet_beyond_all_bounds_ends_the_connection_before_it_is_read(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port, protocol="3.1.1") as carrier:
            await carrier.publish(TOPIC, bytes(MAX_PACKET_BYTES), retain=True)
            with pytest.raises(BrokerUnreachable, match="not MQTT: a packet of"):
                await carrier.fetch(TOPIC, 100)
            assert await carrier.fetch("another", 100) is None


async def test_a_message_of_qos_2_ends_the_connection() -> None:
    async with asyncio.timeout(DEADLINE_S), StandIn() as broker, carrier_on(broker.port) as carrier:
        await until(lambda: carrier.connected)
        with pytest.raises(BrokerUnreachable, match="QoS 2"):
            fetching = asyncio.ensure_future(carrier.fetch("a", 100))
            broker.connections[0].writer.write(b"\x34\x06\0\x01a\0\x01\0")
            await fetching


async def test_a_watch_goes_on_over_connections_with_the_newest_first(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, persistence=True) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier, carrier.watch(TOPIC) as payloads:
            await carrier.publish(TOPIC, b"one", retain=True)
            assert await anext(payloads) == b"one"
            mosquitto.stop()
            heard = asyncio.ensure_future(anext(payloads))
            await until(lambda: not carrier.connected)
            mosquitto.start()
            assert await heard == b"one"
            await carrier.publish(TOPIC, b"two", retain=True)
            assert await anext(payloads) == b"two"


async def test_of_payloads_that_nobody_takes_the_newest_waits(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier, carrier.watch(TOPIC) as payloads:
            first = asyncio.ensure_future(anext(payloads))
            await carrier.fetch("subscribed by now", 1)
            for number in range(100):
                await carrier.publish(TOPIC, b"%d" % number, retain=False)
            assert await first == b"0"
            await carrier.fetch("heard by now", 1)
            assert await anext(payloads) == b"99"


async def test_a_subscription_that_the_broker_forbids_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, acl="topic read allowed/#\n") as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            with pytest.raises(BrokerRefused, match="Not authorized"):
                await carrier.publish("forbidden", b"x", retain=True)
    async with asyncio.timeout(DEADLINE_S), StandIn() as broker, carrier_on(broker.port) as carrier:
        await until(lambda: carrier.connected)
        fetching = asyncio.ensure_future(carrier.fetch("a", 100))
        await broker.wait(lambda: bool(broker.subscribed))
        broker.connections[0].writer.write(b"\x90\x04" + broker.subscribed[0].to_bytes(2) + b"\0\x87")
        with pytest.raises(BrokerRefused, match="Not authorized"):
            await fetching


async def test_a_broker_without_retained_messages_is_not_asked_for_any(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, options="retain_available false") as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            assert not await carrier.keeps_retained()
            assert await carrier.fetch(TOPIC, 100) is None
            with pytest.raises(BrokerRefused, match="retained"):
                await carrier.publish(TOPIC, b"x", retain=True)
            await carrier.publish(TOPIC, b"x", retain=False)


async def test_a_request_hears_its_own_answers_alone(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with (
            asyncio.timeout(DEADLINE_S),
            carrier_on(mosquitto.port) as carrier,
            carrier_on(mosquitto.port, "publisher") as depot,
            depot.requests(TOPICS.ask("+")) as requests,
        ):
            heard = asyncio.ensure_future(anext(requests))
            await depot.fetch("subscribed by now", 1)
            async with carrier.request(TOPICS.ask("stable"), b"?") as answers:
                request = await heard
                assert (request.topic, request.payload, request.reply_to) == (TOPICS.ask("stable"), b"?", TOPICS.reply("pi"))
                await depot.publish(TOPICS.reply("pi"), b"forged", retain=False)
                await depot.answer(request, b"!")
                assert await anext(answers) == b"!"


async def test_collecting_gives_what_is_retained_of_thousands(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            names = {f"pi{number}" for number in range(1500)}
            await asyncio.gather(*(carrier.publish(f"a/{name}/ota/status", name.encode(), retain=True) for name in names))
            heard = [message async for message in carrier.collect("a/+/ota/status", room=2000)]
            assert sorted(message.payload.decode() for message in heard) == sorted(names)


async def test_collecting_ends_though_somebody_never_ceases_to_publish(tmp_path: Path) -> None:
    async def chatter(carrier: MqttCarrier) -> None:
        while True:
            await carrier.publish("a/busy/ota/status", b"live", retain=False)

    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier, running(chatter(carrier)):
            await carrier.publish("a/pi/ota/status", b"retained", retain=True)
            assert [message.payload async for message in carrier.collect("a/+/ota/status", room=2000)] == [b"retained"]


async def test_without_a_connection_whoever_asks_hears_of_it_in_time() -> None:
    carrier = MqttCarrier(settings_for(1), "pi", "reply", timing=replace(FAST, connect_s=0.2), grace_s=GRACE_S)
    async with asyncio.timeout(DEADLINE_S), running(carrier.run()):
        with pytest.raises(BrokerUnreachable, match="no connection"):
            await carrier.fetch(TOPIC, 100)
