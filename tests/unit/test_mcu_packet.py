"""Packets on their way out are read back by the demultiplexer, and by smpclient's own decoder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from smp.packet import decode

from edged.mcu.demux import Demultiplexer, SmpPacket
from edged.mcu.packet import LINE_BYTES, encode, wire_bytes


@given(st.binary(max_size=5000))
def test_a_packet_is_read_back(message: bytes) -> None:
    data = encode(message)
    assert Demultiplexer().feed(data) == [SmpPacket(message)]
    assert len(data) == wire_bytes(len(message))
    assert all(len(line) + 1 <= LINE_BYTES for line in data.split(b"\n"))
    decoder = decode()
    next(decoder)
    try:
        for line in data.splitlines(keepends=True):
            decoder.send(line)
    except StopIteration as done:
        assert done.value == message
    else:
        raise AssertionError("smp reads more than there is")
