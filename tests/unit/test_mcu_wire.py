"""The wire of microcontrollers, whatever comes over it. No input raises anything but FrameInvalid; whole and byte by byte are the
same; what is good is found, whatever came before it."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from smp.packet import encode

from edged.core.errors import FrameInvalid
from edged.mcu import cobs, demux, lines, report
from edged.mcu.frame import MAX_BODY_BYTES, MAX_STUFFED_BYTES, Frame, pack, unpack

u8, u16, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
hashes = st.binary(min_size=8, max_size=8)
short_texts = st.text(max_size=40)

hellos = st.builds(
    report.Hello, u8, short_texts, short_texts, short_texts, hashes, short_texts, short_texts, hashes, u8, u32
)  # fmt: skip
results = st.binary(max_size=900).flatmap(
    lambda data: st.builds(
        report.Result, u32, u8, u8, u8, u8, u8, st.floats(width=32, allow_nan=False), st.integers(-(2**31), 2**31 - 1), u32, u32,
        hashes, st.integers(len(data), 2**16 - 1), st.just(data),
    )
)  # fmt: skip
healths = st.builds(report.Health, u32, u32, u8, u8, u8, u8, u8, *[u32] * 10)
logs = st.builds(report.Log, u8, st.text(max_size=250))
unknowns = st.builds(report.Unknown, st.integers(6, 255), st.binary(max_size=MAX_BODY_BYTES))
reports = st.one_of(hellos, results, healths, logs, st.builds(report.Bye, u8), unknowns)

messages = st.binary(max_size=300)
packets = messages.map(lambda message: (b"".join(encode(message, 128)), demux.SmpPacket(message)))
frames = st.builds(Frame, u8, u16, st.binary(max_size=400)).map(lambda frame: (pack(frame), demux.Report(frame)))
good = st.one_of(packets, frames)
lively = st.lists(st.sampled_from([b"\0", b"\x06\x09", b"\x04\x14", b"\n", b"A", b"=", b"\x01", b"\x05", b"text", b"AAAA"])).map(
    b"".join
)
"""Bytes that mean something to the parser, in any order."""
endless = st.builds(
    lambda size, byte: b"\0\x05\x01" + byte * size, st.integers(1000, 1100), st.sampled_from([b"A", b"\x06", b"\n"])
)
"""What begins like a frame and is longer than one."""
garbage = st.one_of(st.binary(max_size=300), lively, endless)
damaged = st.tuples(st.lists(good, min_size=1, max_size=6), st.integers(0, 2**32)).map(
    lambda drawn: damage(b"".join(wire for wire, _ in drawn[0]), random.Random(drawn[1]))
)
streams = st.lists(st.one_of(garbage, damaged, good.map(lambda one: one[0])), max_size=6).map(b"".join)


def damage(stream: bytes, source: random.Random) -> bytes:
    """Bytes changed, lost, repeated and made up."""
    damaged = bytearray(stream)
    for _ in range(source.randrange(4)):
        at = source.randrange(len(damaged) + 1)
        match source.randrange(4):
            case 0:
                damaged[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del damaged[at : at + source.randrange(10)]
            case 2:
                damaged[at:at] = damaged[max(0, at - source.randrange(200)) : at]
            case 3:
                damaged[at:at] = source.randbytes(source.randrange(5))
    return bytes(damaged)


def whole(stream: bytes) -> list[demux.Event]:
    demultiplexer = demux.Demultiplexer()
    return demultiplexer.feed(stream) + demultiplexer.flush()


@given(data=st.binary(max_size=1500))
@example(data=b"x" * 254)
@example(data=b"x" * 254 + b"\0")
def test_cobs_takes_the_zeros_out_and_puts_them_back(data: bytes) -> None:
    stuffed = cobs.encode(data)
    assert 0 not in stuffed
    assert len(stuffed) <= cobs.stuffed_bytes(len(data))
    assert cobs.decode(stuffed) == data


@given(stuffed=st.binary(max_size=600))
def test_what_is_no_cobs_is_refused_and_what_is_has_no_zeros(stuffed: bytes) -> None:
    try:
        data = cobs.decode(stuffed)
    except FrameInvalid:
        return
    assert 0 not in stuffed
    assert cobs.decode(cobs.encode(data)) == data


@given(meant=reports, sequence=u16)
def test_reports_come_out_as_they_went_in(meant: report.Report, sequence: int) -> None:
    [event] = whole(report.encode(meant, sequence))
    assert isinstance(event, demux.Report)
    assert event.frame.sequence == sequence
    assert report.decode(event.frame) == meant


@given(meant=st.one_of(hellos, healths, results.map(lambda one: replace(one, total=len(one.data)))), more=st.binary(max_size=20))
def test_fields_of_a_later_version_are_ignored(meant: report.Report, more: bytes) -> None:
    [event] = whole(report.encode(meant, 0))
    assert isinstance(event, demux.Report)
    assert report.decode(Frame(event.frame.type, 0, event.frame.body + more)) == meant


@given(type_=u8, body=st.binary(max_size=MAX_BODY_BYTES))
def test_any_body_is_a_report_or_invalid(type_: int, body: bytes) -> None:
    try:
        report.decode(Frame(type_, 0, body))
    except FrameInvalid:
        assert type_ in range(1, 6)


@given(meant=reports)
def test_every_cut_of_a_frame_is_invalid(meant: report.Report) -> None:
    stuffed = report.encode(meant, 7)[1:-1]
    for size in range(len(stuffed)):
        with pytest.raises(FrameInvalid):
            unpack(stuffed[:size])


def test_a_field_that_is_too_large_for_its_place_is_refused() -> None:
    for one in (report.Bye(256), report.Log(-1, ""), report.Hello(1, "x" * 256, "", "", bytes(8), "", "", bytes(8), 0, 0)):
        with pytest.raises(FrameInvalid):
            report.encode(one, 0)
    with pytest.raises(FrameInvalid):
        report.encode(report.Unknown(9, bytes(MAX_BODY_BYTES + 1)), 0)


def test_a_result_is_cut_as_a_board_cuts_it() -> None:
    meant = report.Result(1, 0, 0, 0, 1, 9, 1.0, 0, 1, 1, bytes(8), 3000, bytes(3000))
    wire = report.encode(meant, 0)
    assert len(wire) - 2 <= MAX_STUFFED_BYTES
    [event] = whole(wire)
    assert isinstance(event, demux.Report)
    read = report.decode(event.frame)
    assert isinstance(read, report.Result)
    assert (read.total, len(read.data)) == (3000, MAX_BODY_BYTES - 35)


@given(stream=streams, cuts=st.lists(st.integers(0, 2000)))
def test_whole_in_pieces_and_byte_by_byte_are_the_same(stream: bytes, cuts: list[int]) -> None:
    bytewise, pieces = demux.Demultiplexer(), demux.Demultiplexer()
    expected = whole(stream)
    assert [event for byte in stream for event in bytewise.feed(bytes([byte]))] + bytewise.flush() == expected
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    found = [event for start, end in pairwise(edges) for event in pieces.feed(stream[start:end])]
    assert found + pieces.flush() == expected


@given(stream=streams)
def test_text_is_given_by_lines_and_nothing_is_made_up(stream: bytes) -> None:
    for event in whole(stream):
        if isinstance(event, demux.Text):
            assert 0 < len(event.data) <= lines.MAX_TEXT_BYTES
            assert b"\n" not in event.data[:-1]
            assert event.data in stream


@given(before=streams, meant=frames)
def test_a_frame_is_found_whatever_came_before_it(before: bytes, meant: tuple[bytes, demux.Event]) -> None:
    wire, event = meant
    assert event in whole(before + wire)


@given(before=streams, meant=packets, after=frames)
def test_a_packet_is_found_whatever_came_before_it_at_the_next_frame_at_the_latest(
    before: bytes, meant: tuple[bytes, demux.Event], after: tuple[bytes, demux.Event]
) -> None:
    """Where the bytes before it begin like a frame, only a delimiter tells that they are none."""
    events = whole(before + meant[0] + after[0])
    assert meant[1] in events
    assert events[-1] == after[1]


@given(before=st.binary(max_size=300).map(lambda data: data.replace(b"\0", b"0")), meant=packets)
def test_where_there_are_no_delimiters_a_packet_is_found_at_once(before: bytes, meant: tuple[bytes, demux.Event]) -> None:
    events = whole(before + meant[0])
    assert events[-1] == meant[1]


@given(several=st.lists(good, max_size=10), texts=st.lists(st.text(alphabet="abc \t", max_size=20), min_size=10, max_size=10))
def test_everything_that_is_good_is_found_in_order(several: list[tuple[bytes, demux.Event]], texts: list[str]) -> None:
    stream = b"".join(text.encode() + wire for text, (wire, _) in zip(texts, several, strict=False))
    found = whole(stream)
    assert [event for event in found if not isinstance(event, demux.Text)] == [event for _, event in several]
    said = b"".join(event.data for event in found if isinstance(event, demux.Text))
    assert said == "".join(texts[: len(several)]).encode()


@given(first=u16, missing=st.integers(0, 100))
def test_gaps_are_counted_across_the_wrap(first: int, missing: int) -> None:
    demultiplexer = demux.Demultiplexer()
    for sequence in (first, first + 1 + missing):
        demultiplexer.feed(report.encode(report.Bye(1), sequence))
    assert demultiplexer.gaps == missing


@pytest.mark.parametrize(("sequences", "gaps"), [([5, 5, 6], 0), ([40, 0, 1], 0), ([7, 9, 8, 9], 1), ([0xFFFF, 0], 0)])
def test_repeated_reports_and_restarts_are_no_gaps(sequences: list[int], gaps: int) -> None:
    demultiplexer = demux.Demultiplexer()
    for sequence in sequences:
        demultiplexer.feed(report.encode(report.Bye(1), sequence))
    assert demultiplexer.gaps == gaps


def test_a_start_is_no_gap_however_long_the_board_had_run() -> None:
    demultiplexer = demux.Demultiplexer()
    hello = report.Hello(1, "b", "1", "e", bytes(8), "", "", bytes(8), 0, 1)
    for one, sequence in ((report.Bye(1), 40_000), (hello, 0), (report.Bye(1), 1)):
        demultiplexer.feed(report.encode(one, sequence))
    assert demultiplexer.gaps == 0


def test_wrong_checksums_are_counted_wherever_they_are() -> None:
    demultiplexer = demux.Demultiplexer()
    packet, frame = bytearray(b"".join(encode(b"message"))), bytearray(report.encode(report.Log(20, "text"), 0))
    packet[8] ^= 2
    frame[8] ^= 2
    demultiplexer.feed(bytes(packet + frame))
    assert demultiplexer.corrupt == 2
