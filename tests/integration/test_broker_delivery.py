from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import aiomqtt
import jsonschema
import pytest
from broker import DEADLINE_S, FAST, Gate, Listener, StandIn, clock, lost, open_store, running, settings_for, until

from edged.mqtt.payload import json_schema
from edged.mqtt.publisher import Publisher
from edged.testing.broker import Mosquitto

VANISHING = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from broker import FAST, clock, open_store, settings_for
from edged.mqtt.publisher import Publisher

async def main():
    async with open_store(Path(sys.argv[3])) as store:
        await Publisher(settings_for(int(sys.argv[2])), "home", "pi", store, clock, timing=FAST).run()

asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_every_event_arrives_though_the_broker_dies(tmp_path: Path, end: str) -> None:
    listener = Listener()
    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store, Gate(mosquitto.port) as gate:
            publisher = Publisher(settings_for(gate.port), "home", "pi", store, clock, timing=FAST)
            async with running(publisher.run()):
                async with listener.listening(mosquitto.port):
                    appends = [asyncio.create_task(store.append([lost(number)])) for number in range(300)]
                    await until(lambda: len(listener.seqs()) >= 30)
                    gate.open = False
                    getattr(mosquitto, end)()
                    await asyncio.gather(*appends)
                    await store.append([lost(number) for number in range(300, 400)])
                    await until(lambda: not publisher.connected)
                    await listener.cut.wait()
                mosquitto.start()
                async with listener.listening(mosquitto.port):
                    gate.open = True
                    await publisher.drained()
                    await until(lambda: len(set(listener.seqs())) == 400)
        seqs = listener.seqs()
        assert list(dict.fromkeys(seqs)) == list(range(1, 401))
        assert len(seqs) <= 400 + 20  # only what was on its way when the broker died comes twice
        assert publisher.stats.connections == 2


async def test_the_ledger_knows_what_the_broker_took(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store:
            await store.append([lost(number) for number in range(50)])
            publisher = Publisher(settings_for(mosquitto.port), "home", "pi", store, clock, timing=FAST)
            async with running(publisher.run()):
                await publisher.drained()
                counts = await store.counts()
                assert (counts.produced, counts.delivered, counts.queued) == (50, 50, 0)
                assert publisher.stats.published == publisher.stats.acknowledged == 50
                assert publisher.stats.version == "5"


async def test_at_most_twenty_are_on_their_way(tmp_path: Path) -> None:
    held = StandIn(verdict=lambda topic: None if "/event/" in topic else 0)
    async with held, open_store(tmp_path) as store:
        await store.append([lost(number) for number in range(70)])
        publisher = Publisher(settings_for(held.port), "home", "pi", store, clock, timing=FAST)
        async with running(publisher.run()):
            for seen in (20, 40, 60):
                await held.wait(lambda seen=seen: len(held.events()) >= seen)
                held.acknowledge_all()
            await held.wait(lambda: len(held.events()) == 70)
            held.acknowledge_all()
            await publisher.drained()
        assert held.most_unacknowledged == 20
        assert [event["seq"] for event in held.events()] == list(range(1, 71))


async def test_a_broker_that_takes_fewer_at_once_gets_fewer(tmp_path: Path) -> None:
    receive_maximum = b"\x20\x06\0\0\x03\x21\0\x05"
    held = StandIn(answer=lambda _: receive_maximum, verdict=lambda topic: None if "/event/" in topic else 0)
    async with held, open_store(tmp_path) as store:
        await store.append([lost(number) for number in range(15)])
        publisher = Publisher(settings_for(held.port), "home", "pi", store, clock, timing=FAST)
        async with running(publisher.run()):
            for seen in (5, 10, 15):
                await held.wait(lambda seen=seen: len(held.events()) >= seen)
                held.acknowledge_all()
            await publisher.drained()
        assert held.most_unacknowledged == 5


async def test_a_broker_that_never_acknowledges_is_left(tmp_path: Path) -> None:
    deaf = StandIn(verdict=lambda topic: None if "/event/" in topic else 0)
    async with deaf, open_store(tmp_path) as store:
        await store.append([lost(1)])
        timing = dataclasses.replace(FAST, acknowledge_s=0.1)
        publisher = Publisher(settings_for(deaf.port), "home", "pi", store, clock, timing=timing)
        async with running(publisher.run()):
            await deaf.wait(lambda: len(deaf.events()) >= 2)
            deaf.verdict = lambda topic: 0
            await publisher.drained()
        assert {event["seq"] for event in deaf.events()} == {1}
        assert len(deaf.levels) >= 2


async def test_what_the_broker_refuses_stays_and_holds_nothing_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    choosy = StandIn(verdict=lambda topic: 0x87 if topic.endswith("/gate") else 0)
    async with choosy, open_store(tmp_path) as store:
        await store.append([lost(number, "gate" if number % 2 else "door") for number in range(100)])
        publisher = Publisher(settings_for(choosy.port), "home", "pi", store, clock, timing=FAST)
        async with running(publisher.run()):
            await until(lambda: publisher.stats.acknowledged == 50 and publisher.stats.refused >= 150)
            counts = await store.counts()
            assert counts.queued >= 50
            assert caplog.text.count("the broker refuses event 2: Not authorized") == 1
            choosy.verdict = lambda topic: 0
            await publisher.drained()
        assert "the broker takes event 2 now" in caplog.text
        assert publisher.stats.acknowledged == 100
        seqs = [event["seq"] for event in choosy.events()]
        assert all(seqs.count(seq) == 1 for seq in range(1, 101, 2))  # what was taken is not sent again


async def test_a_broker_that_refuses_everything_is_not_flooded(tmp_path: Path) -> None:
    full = StandIn(verdict=lambda topic: 0x97 if "/event/" in topic else 0)
    async with full, open_store(tmp_path) as store:
        await store.append([lost(number) for number in range(200)])
        timing = dataclasses.replace(FAST, retry_min_s=3600, retry_max_s=3600)
        publisher = Publisher(settings_for(full.port), "home", "pi", store, clock, timing=timing)
        async with running(publisher.run()):
            await until(lambda: publisher.stats.refused >= 20)
            # Twenty refusals in a row, twenty on their way by then, and the one that waited for room.
            assert publisher.stats.published <= 41
        assert (await store.counts()).queued == 200


async def test_states_are_retained_and_come_back_after_the_broker_forgot_them(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = Publisher(settings_for(mosquitto.port), "home", "pi", store, clock, timing=FAST)
            publisher.camera_state(Camera("door", "starting"))
            async with running(publisher.run()):
                for state in ("online", "lost"):
                    publisher.camera_state(Camera("door", state))
                    publisher.model_state(Model())
                    await retained(mosquitto.port, {"edged/v1/home/pi/availability": "online"})
                    found = await retained(mosquitto.port, {"edged/v1/home/pi/camera/door": state})
                    jsonschema.validate(found["edged/v1/home/pi/camera/door"], json_schema()["camera"])
                    found = await retained(mosquitto.port, {"edged/v1/home/pi/model/ssd": None})
                    jsonschema.validate(found["edged/v1/home/pi/model/ssd"], json_schema()["model"])
                    mosquitto.kill()
                    mosquitto.start()
                await retained(mosquitto.port, {"edged/v1/home/pi/camera/door": "lost", "edged/v1/home/pi/availability": "online"})


async def test_states_of_what_is_gone_are_cleared_also_if_the_broker_was_away(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, persistence=True) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = Publisher(settings_for(mosquitto.port), "home", "pi", store, clock, timing=FAST)
            publisher.camera_state(Camera("door", "online"))
            publisher.camera_state(Camera("gate", "online"))
            publisher.model_state(Model())
            async with running(publisher.run()):
                await retained(
                    mosquitto.port, {f"edged/v1/home/pi/{it}": None for it in ("camera/door", "camera/gate", "model/ssd")}
                )
                mosquitto.stop()
                await until(lambda: not publisher.connected)
                publisher.forget_camera("door")
                publisher.forget_camera("gate")
                publisher.forget_model("ssd")
                publisher.camera_state(Camera("gate", "lost"))  # it is there again
                mosquitto.start()
                await retained(mosquitto.port, {"edged/v1/home/pi/availability": "online", "edged/v1/home/pi/camera/gate": "lost"})
                publisher.camera_state(Camera("last", "online"))
                await retained(mosquitto.port, {"edged/v1/home/pi/camera/last": "online"})
                async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
                    await client.subscribe("edged/v1/home/pi/#")
                    await client.publish("end")
                    await client.subscribe("end")
                    await client.publish("end")
                    found = []
                    async for message in client.messages:
                        if str(message.topic) == "end":
                            break
                        found.append(str(message.topic).removeprefix("edged/v1/home/pi/"))
                assert sorted(found) == ["availability", "camera/gate", "camera/last"]


async def test_offline_is_said_at_a_stop_in_good_order(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store:
            listener = Listener()
            async with listener.listening(mosquitto.port):
                publisher = Publisher(settings_for(mosquitto.port), "home", "pi", store, clock, timing=FAST)
                async with running(publisher.run()):
                    await until(lambda: listener.payloads("/availability") == [b"online"])
                await until(lambda: listener.payloads("/availability") == [b"online", b"offline"])
                assert not publisher.connected
            await retained(mosquitto.port, {"edged/v1/home/pi/availability": "offline"})


async def test_the_broker_says_offline_for_a_device_that_vanished(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        listener = Listener()
        async with listener.listening(mosquitto.port):
            command = [sys.executable, "-c", VANISHING, str(Path(__file__).parent), str(mosquitto.port), str(tmp_path)]
            with subprocess.Popen(command) as child:
                await until(lambda: listener.payloads("/availability") == [b"online"])
                child.send_signal(signal.SIGKILL)
            await until(lambda: listener.payloads("/availability") == [b"online", b"offline"])


async def test_live_tracks_go_out_and_are_dropped_without_a_broker(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = Publisher(settings_for(mosquitto.port, live=True), "home", "pi", store, clock, timing=FAST)
            publisher.live(Live(captured_ns=0))
            assert publisher.stats.live_dropped == 1
            listener = Listener()
            async with listener.listening(mosquitto.port), running(publisher.run()):
                await until(lambda: publisher.connected)
                await until(lambda: listener.payloads("/availability") == [b"online"])
                for frame in range(10):
                    publisher.live(Live(captured_ns=frame * 10**9 // 30))
                    await until(lambda: len(listener.payloads("/live/")) == publisher.stats.live_published)
                assert publisher.stats.live_published == 10
                assert publisher.stats.live_dropped == 1
                jsonschema.validate(json.loads(listener.payloads("/live/door")[0]), json_schema()["live"])


async def retained(port: int, wanted: dict[str, str | None]) -> dict[str, object]:
    """Ask as a new subscriber until the retained messages are as wanted; states are compared by their ``state``."""
    while True:
        found: dict[str, object] = {}
        try:
            async with asyncio.timeout(DEADLINE_S), aiomqtt.Client("127.0.0.1", port) as client:
                for topic in wanted:
                    await client.subscribe(topic)
                async for message in client.messages:
                    text = bytes(message.payload).decode()
                    value = json.loads(text) if text.startswith("{") else text
                    found[str(message.topic)] = value
                    if wanted[str(message.topic)] in {None, value if isinstance(value, str) else value.get("state")}:
                        wanted = {topic: state for topic, state in wanted.items() if topic != str(message.topic)}
                    if not wanted:
                        return found
        except aiomqtt.MqttError:
            continue


class Camera:
    def __init__(self, camera: str, state: str) -> None:
        self.camera, self.state = camera, state
        self.since_ns, self.width, self.height, self.fps = 0, 640, 480, 30.0
        self.description, self.reason = "USB", ""


class Model:
    model_name, bundle, version, digest = "ssd", "ssd", "1", "abc"
    runtime, delegate, fallback, threads, self_test_ms, at_ns = "litert", "xnnpack", "", 2, 12.34, 0


class Live:
    camera, seq, media_s, inference_ms, objects = "door", 1, None, 10.0, ()

    def __init__(self, captured_ns: int) -> None:
        self.captured_ns = captured_ns
