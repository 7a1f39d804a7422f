from __future__ import annotations

from pathlib import Path

import pytest

from edged.core.errors import SecretUnreadable
from edged.core.secrets import read_secret
from edged.mqtt.endpoint import read_endpoint
from edged.mqtt.settings import MqttSettings, TlsSettings, mqtt_problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("s3cret \n")
    path.chmod(0o600)
    return path


def from_file(path: Path) -> str | None:
    return read_secret(path, None)


def from_credential(name: str) -> str | None:
    return read_secret(None, name)


def test_only_the_line_end_is_taken_off(file: Path) -> None:
    assert from_file(file) == "s3cret "


def test_no_password_is_none() -> None:
    assert read_secret(None, None) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_is_open_to_others_is_refused_with_what_to_run(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(SecretUnreadable, match=f"{mode:04o}") as caught:
        from_file(file)
    assert caught.value.hint == f"run: chmod 600 {file}"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 70_000], ids=["empty", "a line end", "binary", "huge"])
def test_what_is_no_secret_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SecretUnreadable, match="password"):
        from_file(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match="missing"):
        from_file(tmp_path / "missing")


def test_a_credential_comes_from_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mqtt").write_text("s3cret")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SecretUnreadable) as caught:
        from_credential("mqtt")
    assert "LoadCredential=mqtt:" in caught.value.hint
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert from_credential("mqtt") == "s3cret"


@pytest.mark.parametrize("name", ["../mqtt", "/etc/shadow", "..", "a\0b"])
def test_a_credential_is_never_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "mqtt").write_text("s3cret")
    (tmp_path / "inner").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "inner"))
    with pytest.raises(SecretUnreadable, match="not the name of a credential"):
        from_credential(name)


def test_a_secret_does_not_show(file: Path) -> None:
    settings = MqttSettings(host="broker", username="me", password_file=file)
    endpoint = read_endpoint(settings, "edged-home-pi", "topic", b"offline")
    assert endpoint.password == "s3cret "
    assert "s3cret" not in repr(endpoint)


def test_ports_follow_tls() -> None:
    assert MqttSettings(host="broker").address == "broker:1883"
    assert MqttSettings(host="broker", tls=TlsSettings()).address == "broker:8883"
    assert MqttSettings(host="broker", tls=TlsSettings(), port=1).broker_port == 1


def test_combinations_that_make_no_sense_are_named() -> None:
    path = Path("x")
    assert mqtt_problems(MqttSettings(host="b", username="me", password_file=path)) == ()
    wrong = MqttSettings(host="b", password_file=path, password_credential="x", tls=TlsSettings(key_file=path))
    problems = mqtt_problems(wrong)
    assert len(problems) == 3
    for problem, field in zip(problems, ("password_credential", "username", "certificate_file"), strict=True):
        assert field in problem
