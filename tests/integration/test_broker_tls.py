from __future__ import annotations

from pathlib import Path

import pytest
from authority import Authority
from broker import FAST, clock, lost, open_store, running, settings_for, until
from cryptography.hazmat.primitives import serialization

from edged.core.errors import SecretUnreadable
from edged.mqtt.endpoint import tls_context
from edged.mqtt.publisher import Publisher
from edged.mqtt.settings import TlsSettings
from edged.testing.broker import BrokerTls, Mosquitto


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def foreign(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "foreign")


def broker(directory: Path, ours: Authority, address: str = "127.0.0.1") -> Mosquitto:
    certificate, key = ours.issue("broker", address)
    return Mosquitto(directory, tls=BrokerTls(ours.certificate, certificate, key, require_certificate=True))


async def test_both_sides_show_their_certificates(tmp_path: Path, ours: Authority) -> None:
    certificate, key = ours.issue("pi")
    tls = TlsSettings(ca_file=ours.certificate, certificate_file=certificate, key_file=key)
    with broker(tmp_path, ours) as mosquitto:
        async with open_store(tmp_path) as store:
            publisher = Publisher(settings_for(mosquitto.port, tls=tls), "home", "pi", store, clock, timing=FAST)
            async with running(publisher.run()):
                await store.append([lost(number) for number in range(200)])
                await publisher.drained()
                assert publisher.stats.version == "5"


async def said(tmp_path: Path, mosquitto: Mosquitto, tls: TlsSettings, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    async with open_store(tmp_path) as store:
        publisher = Publisher(settings_for(mosquitto.port, tls=tls), "home", "pi", store, clock, timing=FAST)
        async with running(publisher.run()):
            await until(lambda: expected in caplog.text)
            assert publisher.stats.connections == 0


async def test_a_broker_of_another_authority_is_not_trusted(
    tmp_path: Path, ours: Authority, foreign: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with broker(tmp_path, ours) as mosquitto:
        await said(tmp_path, mosquitto, TlsSettings(ca_file=foreign.certificate), "certificate is not trusted", caplog)


async def test_a_certificate_of_another_host_is_no_good(tmp_path: Path, ours: Authority, caplog: pytest.LogCaptureFixture) -> None:
    with broker(tmp_path, ours, address="127.0.0.2") as mosquitto:
        await said(tmp_path, mosquitto, TlsSettings(ca_file=ours.certificate), "certificate is not trusted", caplog)


async def test_without_a_certificate_it_hangs_up(tmp_path: Path, ours: Authority, caplog: pytest.LogCaptureFixture) -> None:
    with broker(tmp_path, ours) as mosquitto:
        await said(tmp_path, mosquitto, TlsSettings(ca_file=ours.certificate), "without answering CONNECT", caplog)


async def test_tls_to_a_port_without_it_says_so(tmp_path: Path, ours: Authority, caplog: pytest.LogCaptureFixture) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        await said(tmp_path, mosquitto, TlsSettings(ca_file=ours.certificate), "does this port speak TLS?", caplog)


def test_a_key_that_others_can_read_is_not_used(ours: Authority) -> None:
    certificate, key = ours.issue("pi")
    key.chmod(0o640)
    with pytest.raises(SecretUnreadable, match=r"0640.*chmod 600"):
        tls_context(TlsSettings(ca_file=ours.certificate, certificate_file=certificate, key_file=key))


def test_an_encrypted_key_is_refused_and_nobody_is_asked(ours: Authority) -> None:
    certificate, key = ours.issue("pi")
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(plain.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    with pytest.raises(SecretUnreadable, match="not encrypted"):
        tls_context(TlsSettings(ca_file=ours.certificate, certificate_file=certificate, key_file=key))


def test_a_missing_authority_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match=r"missing\.pem"):
        tls_context(TlsSettings(ca_file=tmp_path / "missing.pem"))
