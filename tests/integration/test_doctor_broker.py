from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edged.daemon.doctor.broker import check_broker
from edged.mqtt.settings import MqttSettings
from edged.testing.broker import Mosquitto

ACCEPTED_5 = bytes.fromhex("20 03 00 00 00")
BAD_PASSWORD_5 = bytes.fromhex("20 03 00 86 00")
UNSUPPORTED_5 = bytes.fromhex("20 03 00 84 00")
ACCEPTED_311 = bytes.fromhex("20 02 00 00")
PUBLISH, PUBACK = 3, 4


class Broker:
    """Answers each CONNECT with the next of ``answers`` (MQTT 5.0, section 3.2), and every message; keeps all that it is sent."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = iter(answers)
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connect = await reader.read(4096)
        writer.write(next(self._answers))
        self.received.put_nowait(connect)
        while packet := await reader.read(4096):
            self.received.put_nowait(packet)
            if packet[0] >> 4 == PUBLISH:
                topic_bytes = int.from_bytes(packet[2:4])
                writer.write(bytes([PUBACK << 4, 2]) + packet[4 + topic_bytes : 6 + topic_bytes])
        writer.close()


@asynccontextmanager
async def listening(broker: Broker) -> AsyncIterator[int]:
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_broker_that_takes_us_is_left_in_good_order() -> None:
    broker = Broker(ACCEPTED_5)
    async with listening(broker) as port:
        found = await check_broker(MqttSettings(host="127.0.0.1", port=port), "home", "pi")
        connect, message, farewell = [await broker.received.get() for _ in range(3)]
    assert (found.status, found.what) == ("ok", f"127.0.0.1:{port} accepts us with MQTT 5")
    assert b"edged-home-pi-doctor" in connect  # the daemon's own session is not taken over
    assert b"/availability" not in connect  # nor is its will
    assert b"edged/v1/home/pi/doctor" in message  # a topic of our own, and nothing on it
    assert farewell[0] == 0xE0  # DISCONNECT


async def test_a_client_id_of_the_configuration_is_not_taken_from_the_daemon() -> None:
    broker = Broker(ACCEPTED_5)
    async with listening(broker) as port:
        await check_broker(MqttSettings(host="127.0.0.1", port=port, client_id="gate"), "home", "pi")
        assert b"\x00\x0bgate-doctor" in await broker.received.get()


async def test_an_old_broker_is_spoken_to_in_its_version() -> None:
    async with listening(Broker(UNSUPPORTED_5, ACCEPTED_311)) as port:
        found = await check_broker(MqttSettings(host="127.0.0.1", port=port), "home", "pi")
    assert (found.status, found.what.endswith("with MQTT 3.1.1")) == ("ok", True)


async def test_a_refusal_is_told_with_what_we_said(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("wrong")
    secret.chmod(0o600)
    async with listening(Broker(BAD_PASSWORD_5)) as port:
        settings = MqttSettings(host="127.0.0.1", port=port, username="gate", password_file=secret)
        found = await check_broker(settings, "home", "pi")
    assert found.status == "fail"
    assert "Bad user name or password" in found.what
    assert "'gate'" in found.fix
    assert "wrong" not in found.what + found.fix


async def test_nobody_there_is_told() -> None:
    with socket.socket() as bound:  # bound and not listening: the port is ours, and refuses
        bound.bind(("127.0.0.1", 0))
        found = await check_broker(MqttSettings(host="127.0.0.1", port=bound.getsockname()[1]), "home", "pi")
    assert (found.status, "nothing listens" in found.what) == ("fail", True)


async def test_a_secret_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    absent = MqttSettings(host="127.0.0.1", username="u", password_file=tmp_path / "absent")
    assert (await check_broker(absent, "home", "pi")).status == "fail"
    of_the_unit = MqttSettings(host="127.0.0.1", username="u", password_credential="mqtt")
    assert (await check_broker(of_the_unit, "home", "pi")).status == "skip"


async def test_a_broker_that_keeps_nothing_takes_us(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, options="retain_available false") as mosquitto:
        found = await check_broker(MqttSettings(host="127.0.0.1", port=mosquitto.port), "home", "pi")
    assert found.status == "ok"
