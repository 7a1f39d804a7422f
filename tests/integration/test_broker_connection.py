from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from broker import FAST, Listener, StandIn, clock, lost, open_store, running, settings_for, until

from edged.core.errors import BrokerUnreachable
from edged.mqtt.publisher import Publisher
from edged.mqtt.timing import Timing
from edged.testing.broker import Mosquitto

ACCEPTED_3 = b"\x20\x02\0\0"
ACCEPTED_5 = b"\x20\x03\0\0\0"
HURRIED = dataclasses.replace(FAST, connect_s=0.1)


def publisher_for(broker: StandIn | Mosquitto, store: object, timing: Timing = FAST, **changes: object) -> Publisher:
    return Publisher(settings_for(broker.port, **changes), "home", "pi", store, clock, timing=timing)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer_to_5",
    [
        pytest.param(b"\x20\x03\0\x84\0", id="refused as version 5 says it"),
        pytest.param(b"\x20\x02\0\x01", id="refused as 3.1.1 says it"),
        pytest.param(b"", id="hung up"),
        pytest.param(None, id="silent"),
    ],
)
async def test_a_broker_of_3_1_1_gets_3_1_1_and_is_remembered(tmp_path: Path, answer_to_5: bytes | None) -> None:
    old = StandIn(answer=lambda level: answer_to_5 if level == 5 else ACCEPTED_3)
    async with old, open_store(tmp_path) as store:
        await store.append([lost(1)])
        publisher = publisher_for(old, store, dataclasses.replace(FAST, connect_s=1.0))
        async with running(publisher.run()):
            await publisher.drained()
            assert publisher.stats.version == "3.1.1"
            old.connections[-1].writer.close()
            await old.wait(lambda: len(old.levels) == 3)
        assert old.levels == [5, 4, 4]


async def test_where_nothing_answers_both_are_tried_in_turn(tmp_path: Path) -> None:
    silent = StandIn(answer=lambda _: None)
    async with silent, open_store(tmp_path) as store:
        publisher = publisher_for(silent, store, HURRIED)
        async with running(publisher.run()):
            await silent.wait(lambda: len(silent.levels) >= 4)
            silent.answer = lambda level: ACCEPTED_5 if level == 5 else None
            await until(lambda: publisher.connected)
            assert publisher.stats.version == "5"
        assert silent.levels[:4] == [5, 4, 5, 4]


async def test_a_version_that_is_set_is_not_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = StandIn(answer=lambda level: b"\x20\x03\0\x84\0" if level == 5 else ACCEPTED_3)
    async with old, open_store(tmp_path) as store:
        async with running(publisher_for(old, store, protocol="5").run()):
            await old.wait(lambda: len(old.levels) >= 3)
        assert set(old.levels) == {5}
        assert caplog.text.count("Unsupported protocol version") == 1


async def test_a_wrong_password_is_said_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    password = tmp_path / "password"
    password.write_text("wrong\n")
    password.chmod(0o600)
    with Mosquitto(tmp_path, passwords={"edged": "right"}) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = publisher_for(mosquitto, store, username="edged", password_file=password)
            async with running(publisher.run()):
                await until(lambda: "refuses the connection" in caplog.text)
                password.write_text("right\n")
                await until(lambda: publisher.connected)
    refusals = [record.getMessage() for record in caplog.records if "refuses" in record.getMessage()]
    assert len(refusals) == 1
    assert "Not authorized" in refusals[0]
    assert "user 'edged'" in refusals[0]
    assert "wrong" not in caplog.text


async def test_a_secret_that_is_open_to_others_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    password = tmp_path / "password"
    password.write_text("right\n")
    password.chmod(0o644)
    with Mosquitto(tmp_path, passwords={"edged": "right"}) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = publisher_for(mosquitto, store, username="edged", password_file=password)
            async with running(publisher.run()):
                await until(lambda: f"chmod 600 {password}" in caplog.text)
                password.chmod(0o600)
                await until(lambda: publisher.connected)


async def test_the_loss_and_the_return_of_the_broker_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    pauses = 0

    def random() -> float:
        nonlocal pauses
        pauses += 1
        return 0.0

    with Mosquitto(tmp_path) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = Publisher(settings_for(mosquitto.port), "home", "pi", store, clock, timing=FAST, random=random)
            async with running(publisher.run()):
                await until(lambda: publisher.connected)
                mosquitto.kill()
                await until(lambda: not publisher.connected)
                await until(lambda: pauses >= 5)  # several attempts, each of which might say something
                mosquitto.start()
                await until(lambda: publisher.connected)
    messages = [record.getMessage() for record in caplog.records if record.name == "edged.mqtt.link"]
    assert sum("is lost" in message or "closed" in message for message in messages) == 1
    assert sum("connected to the broker" in message for message in messages) == 2


async def test_a_network_that_swallows_everything_holds_up_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # A listening socket whose queue is full drops further SYNs: connecting hangs as it does behind a firewall.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as swallowing:
        fill = [socket.socket() for _ in range(4)]
        for client in fill:
            client.setblocking(False)
            client.connect_ex(swallowing.getsockname())
        async with open_store(tmp_path) as store:
            publisher = Publisher(settings_for(swallowing.getsockname()[1]), "home", "pi", store, clock, timing=HURRIED)
            async with running(publisher.run()):
                for number in range(3):
                    await store.append([lost(number)])
                await until(lambda: "no answer from the network" in caplog.text)
                assert (await store.counts()).queued == 3
        for client in fill:
            client.close()


async def test_being_cancelled_while_connecting_leaves_nothing_behind(tmp_path: Path) -> None:
    silent = StandIn(answer=lambda _: None)
    async with silent, open_store(tmp_path) as store:
        async with running(publisher_for(silent, store).run()):
            await silent.wait(lambda: bool(silent.levels))
        reads = silent.connections[0].writer
        await until(reads.is_closing)


RUBBISH: list[Callable[[int], bytes]] = [
    lambda _: b"\x20\x03\0\0\x7f",
    lambda _: b"\x20\x03\0\x42\0",
    lambda _: b"\x20\x00",
    lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    lambda _: b"\xff" * 64,
    lambda _: ACCEPTED_5 + b"\x40\x01\0",
    lambda _: ACCEPTED_5 + b"\x40\x04\0\x01\xee\0",
    lambda _: ACCEPTED_5 + b"\x30\x05\0\x01a\x7f\x7f",
]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
async def test_rubbish_ends_the_connection_and_nothing_else(tmp_path: Path, rubbish: Callable[[int], bytes]) -> None:
    hostile = StandIn(answer=rubbish)
    async with hostile, open_store(tmp_path) as store:
        publisher = publisher_for(hostile, store, HURRIED)
        async with running(publisher.run()) as task:
            await hostile.wait(lambda: len(hostile.levels) >= 2)
            assert not task.done()
            hostile.answer = lambda level: ACCEPTED_5 if level == 5 else ACCEPTED_3
            await store.append([lost(1)])
            await publisher.drained()


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnreachable, match="no_such_option"), Mosquitto(tmp_path, options="no_such_option true"):
        pass


async def test_a_broker_that_keeps_nothing_hears_events_and_states_all_the_same(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, options="retain_available false") as mosquitto:
        async with open_store(tmp_path) as store, Listener().listening(mosquitto.port) as listener:
            publisher = publisher_for(mosquitto, store)
            async with running(publisher.run()):
                await store.append([lost(1)])
                await publisher.drained()
                assert publisher.stats.connections == 1
                await until(lambda: listener.seqs() == [1] and listener.payloads("/availability") == [b"online"])
