"""What crosses between the processes comes back as it went, and nothing else is let in."""

from __future__ import annotations

from dataclasses import asdict, replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import ProtocolViolated
from edged.core.event import ObjectLeft
from edged.infer.settings import ModelSettings
from edged.vision import datagrams, ipc

AGREED = ipc.Agreement("m", 1, "ab" * 32, 20, 3, 30, 1, 2, 0, -0.05, 7.5, 1.25, "done", "")
LEFT = ObjectLeft(
    camera="door",
    object_id="a1-7",
    label="person",
    reason="left",
    dwell_s=2.5,
    best_score=0.9,
    best_box=(1.0, 2.0, 3.0, 4.0),
    box=(5.0, 6.0, 7.0, 8.0),
    path=((1.0, 2.0), (3.0, 4.0)),
    at_ns=123,
    media_s=None,
    model="ab" * 32,
)


@pytest.mark.parametrize(
    "message",
    [
        LEFT,
        AGREED,
        replace(AGREED, score_drift=None, latency_ratio=None, ended=""),
        ipc.Finished(),
        ipc.Fault("no such file", "look again"),
        ipc.CameraUp("door", 640, 480, None, "USB camera", 5),
        ipc.Live("door", 3, 99, 1.5, 12.0, (ipc.LiveObject("a1-7", "person", 0.8, (0.0, 1.0, 2.0, 3.0)),)),
    ],
)
def test_message_survives_the_wire(message: ipc.Report) -> None:
    assert datagrams.decode_report(datagrams.encode(message)) == message


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    try:
        datagrams.decode_report(noise)
    except ProtocolViolated:
        return
    assert noise.partition(b"\0")[0].decode() == "Finished"  # the only report without fields


@given(st.integers(min_value=0), st.integers(0, 255))
def test_flipped_byte_is_refused_or_still_a_message(position: int, value: int) -> None:
    wire = bytearray(datagrams.encode(LEFT))
    wire[position % len(wire)] = value
    try:
        message = datagrams.decode_report(bytes(wire))
    except ProtocolViolated:
        return
    assert isinstance(message, ObjectLeft)


def test_wrong_type_in_a_field_names_the_message_and_the_field() -> None:
    with pytest.raises(ProtocolViolated, match=r"Fault.*\$\.hint"):
        datagrams.decode_report(b"Fault\0" + b"\x82\xa7message\xa1a\xa4hint\x05")


@pytest.mark.parametrize(("field", "value"), [("score_drift", float("nan")), ("latency_ratio", float("inf")), ("frames", -1)])
def test_numbers_of_an_agreement_that_cannot_be_are_refused(field: str, value: float) -> None:
    name = type(AGREED).__name__.encode()
    fields = asdict(AGREED)
    assert datagrams.decode_report(name + b"\0" + msgspec.msgpack.encode(fields)) == AGREED
    with pytest.raises(ProtocolViolated):
        datagrams.decode_report(name + b"\0" + msgspec.msgpack.encode(fields | {field: value}))


def test_largest_sane_report_fits_a_datagram() -> None:
    crowded = ipc.Live(
        "door", 1, 1, None, 1.0, tuple(ipc.LiveObject("abcdef-1000", "x" * 40, 0.5, (1.0,) * 4) for _ in range(1000))
    )
    assert len(datagrams.encode(crowded)) < datagrams.MAX_MESSAGE_BYTES


def test_neither_side_may_say_what_is_the_others() -> None:
    shadow = ipc.Shadow("m", ModelSettings(bundle="/m"), "ab" * 32, share=0.1, frames=100, seconds=60.0)
    for order in (ipc.Stop(), ipc.StopShadow(), shadow):
        assert datagrams.decode_order(datagrams.encode(order)) == order
    with pytest.raises(ProtocolViolated, match="unknown message"):
        datagrams.decode_report(datagrams.encode(ipc.Stop()))
    with pytest.raises(ProtocolViolated, match="unknown message"):
        datagrams.decode_order(datagrams.encode(LEFT))


def test_message_that_is_too_large_is_not_sent() -> None:
    with pytest.raises(ProtocolViolated, match="larger than"):
        datagrams.encode(ipc.Fault("x" * datagrams.MAX_MESSAGE_BYTES, ""))
