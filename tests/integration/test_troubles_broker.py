"""Troubles of the broker, produced by real and scripted ones, and recognised."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from broker import StandIn
from troubles import examined, produces

from edged.daemon.doctor.broker import check_broker
from edged.daemon.doctor.finding import Finding
from edged.mqtt.settings import MqttSettings, TlsSettings
from edged.mqtt.timing import Timing
from edged.testing.broker import BrokerTls, Mosquitto

PATIENT = Timing(connect_s=30.0, acknowledge_s=30.0)
UNHEARD, UNACKNOWLEDGED = replace(PATIENT, connect_s=1.0), replace(PATIENT, acknowledge_s=1.0)


async def asked(port: int, timing: Timing = PATIENT, **more: Any) -> Finding:
    return await check_broker(MqttSettings(**{"host": "127.0.0.1", "port": port, **more}), "home", "pi", timing)


@produces("broker-host-unknown")
async def test_a_name_that_no_host_can_have() -> Finding:
    return await asked(1883, host=f"{'x' * 70}.lan")


@produces("broker-unreachable")
def test_a_machine_without_a_network(mounting: list[str], tmp_path: Path) -> Finding:
    config = tmp_path / "edged.toml"
    config.write_text(
        """
        [models.m]
        bundle = "./m.tflite"
        [cameras.door]
        model = "m"
        synthetic = {}
        [mqtt]
        host = "127.0.0.1"
        """
    )
    return examined(config, [*mounting, "--net"])["broker"]


@produces("broker-silent")
async def test_a_machine_that_swallows_what_is_sent() -> Finding:
    with socket.socket() as server:  # with a full backlog the kernel ignores who comes
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        found = await asked(server.getsockname()[1], UNHEARD)
        for client in waiting:
            client.close()
    return found


@produces("broker-connection-refused")
async def test_a_broker_that_does_not_run() -> Finding:
    with socket.socket() as bound:  # bound and not listening: the port is ours, and refuses
        bound.bind(("127.0.0.1", 0))
        return await asked(bound.getsockname()[1])


@produces("broker-no-answer")
async def test_a_service_that_is_no_broker() -> Finding:
    async with StandIn(answer=lambda level: b"") as server:
        return await asked(server.port)


@produces("broker-refused")
async def test_a_broker_that_is_full() -> Finding:
    async with StandIn(answer=lambda level: b"\x20\x03\0\x97\0") as server:  # Quota exceeded
        return await asked(server.port)


@produces("broker-login-refused")
async def test_a_wrong_password(tmp_path: Path) -> Finding:
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text("wrong")
    with Mosquitto(tmp_path, passwords={"me": "right"}) as broker:
        for version in ("5", "3.1.1"):
            found = await asked(broker.port, username="me", password_file=tmp_path / "password", protocol=version)
            assert found.code == "broker-login-refused"
            assert "wrong" not in found.what + found.fix
    return found


@produces("broker-protocol-refused")
async def test_a_broker_of_another_version() -> Finding:
    async with StandIn(answer=lambda level: b"\x20\x03\0\x84\0") as server:
        return await asked(server.port, protocol="5")


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def secured(directory: Path, authority: Authority, address: str = "127.0.0.1", *, expired: bool = False) -> Mosquitto:
    certificate, key = authority.issue("broker", address, expired=expired)
    return Mosquitto(directory, tls=BrokerTls(authority.certificate, certificate, key))


@produces("broker-untrusted")
async def test_a_certificate_of_another_authority(tmp_path: Path, authority: Authority) -> Finding:
    with secured(tmp_path, authority) as broker:
        assert (await asked(broker.port, tls=TlsSettings(ca_file=authority.certificate))).status == "ok"
        return await asked(broker.port, tls=TlsSettings(ca_file=Authority(tmp_path / "other").certificate))


@produces("broker-certificate-expired")
async def test_a_certificate_that_is_too_old(tmp_path: Path, authority: Authority) -> Finding:
    with secured(tmp_path, authority, expired=True) as broker:
        return await asked(broker.port, tls=TlsSettings(ca_file=authority.certificate))


@produces("broker-other-name")
async def test_a_certificate_of_another_host(tmp_path: Path, authority: Authority) -> Finding:
    with secured(tmp_path, authority, "127.0.0.2") as broker:
        return await asked(broker.port, tls=TlsSettings(ca_file=authority.certificate))


@produces("broker-no-tls")
async def test_tls_to_a_port_without_it(tmp_path: Path, authority: Authority) -> Finding:
    with Mosquitto(tmp_path) as broker:
        return await asked(broker.port, tls=TlsSettings(ca_file=authority.certificate))


async def test_a_missing_authority_is_a_missing_file(tmp_path: Path) -> None:
    found = await asked(8883, tls=TlsSettings(ca_file=tmp_path / "ca.pem"))
    assert (found.code, "ca.pem" in found.what) == ("secret-unusable", True)


# Once logged in


@produces("broker-publish-refused")
async def test_a_user_who_may_only_read(tmp_path: Path) -> Finding:
    with Mosquitto(tmp_path, acl="topic read #\n") as broker:
        found = await asked(broker.port)
    assert "edged/v1/home/pi/doctor" in found.what
    return found


@produces("broker-lost")
async def test_a_broker_that_acknowledges_nothing() -> Finding:
    async with StandIn(verdict=lambda topic: None) as server:
        return await asked(server.port, UNACKNOWLEDGED)
