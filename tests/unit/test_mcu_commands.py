"""Commands from the wire: one of a few kinds, or a refusal that says why."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.bucket import Bucket
from edged.mqtt.commands import (
    COMMAND_PAYLOADS,
    MAX_COMMAND_BYTES,
    MAX_DETAIL,
    CommandRefused,
    Reset,
    Revert,
    Run,
    Sample,
    decode_command,
    id_of,
    input_of,
    name_of,
)


def refusal(payload: bytes) -> CommandRefused:
    with pytest.raises(CommandRefused) as caught:
        decode_command(payload)
    return caught.value


def test_commands_are_read() -> None:
    assert decode_command(b'{"command": "sample", "period_ms": 250, "id": "7"}') == Sample(period_ms=250, id="7")
    assert decode_command(b'{"command": "revert", "image": "model"}') == Revert(image="model")
    assert decode_command(b'{"command": "reset"}') == Reset(to_loader=False)
    assert {f"command_{name_of(decode_command(example(name)))}" for name in COMMAND_PAYLOADS} == set(COMMAND_PAYLOADS)


def example(name: str) -> bytes:
    needed: dict[str, dict[str, Any]] = {"run": {"values": [1]}, "sample": {"period_ms": 1}, "revert": {"image": "model"}}
    command = name.removeprefix("command_")
    return json.dumps({"command": command, **needed.get(command, {})}).encode()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"info",
        b"{}",
        b'{"command": "format"}',
        b'{"command": "sample"}',
        b'{"command": "sample", "period_ms": -1}',
        b'{"command": "sample", "period_ms": 1.5}',
        b'{"command": "info", "port": "/dev/sda"}',
        b'{"command": "run"}',
        b'{"command": "run", "values": [256]}',
        b'{"command": "revert", "image": "loader"}',
        b'{"command": "info", "id": "' + b"x" * 65 + b'"}',
        b"\xff",
        b"[" * 10_000,
    ],
)
def test_anything_else_is_malformed(payload: bytes) -> None:
    assert refusal(payload).code == "malformed"


def test_what_is_too_long_is_not_read() -> None:
    assert refusal(b" " * (MAX_COMMAND_BYTES + 1)).code == "too_long"
    assert id_of(b" " * (MAX_COMMAND_BYTES + 1)) == ""


def test_what_a_stranger_sent_is_cut_and_cleaned_in_the_reason() -> None:
    payload = json.dumps({"command": "info", "\n\x1b[31m" + 60_000 * "x": 1}).encode()
    detail = refusal(payload).detail
    assert len(detail) <= MAX_DETAIL
    assert detail.isprintable()


def test_a_refusal_carries_the_id_where_there_is_one() -> None:
    assert refusal(b'{"command": "format", "id": "7"}').id == "7"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_command_or_refused(payload: bytes) -> None:
    try:
        decode_command(payload)
    except CommandRefused as error:
        assert error.detail


@given(st.binary(min_size=1, max_size=100))
def test_an_input_comes_through_as_it_is(data: bytes) -> None:
    assert input_of(Run(input=base64.b64encode(data).decode()), len(data)) == data
    values = tuple(byte if byte < 128 else byte - 256 for byte in data)
    assert input_of(Run(values=values), len(data) + 3) == data + bytes(3)


@pytest.mark.parametrize("command", [Run(input="AAAA"), Run(input="*"), Run(values=(1, 2, 3))])
def test_an_input_of_another_size_is_refused(command: Run) -> None:
    with pytest.raises(CommandRefused) as caught:
        input_of(command, 2)
    assert caught.value.code == "malformed"


def test_a_bucket_lets_so_many_through_at_once_and_then_at_its_rate() -> None:
    bucket = Bucket(rate_hz=2, burst=3)
    assert [bucket.take(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(10.5), bucket.take(10.6)] == [True, False]
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]
