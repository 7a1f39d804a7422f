"""The Python side of the wire against the vectors that the C++ side is judged by as well."""

import binascii
import zlib
from collections.abc import Iterable

import pytest
from smp.packet import encode
from vectors import blob, event, records, reported

from edged.mcu import cobs, demux, lines, report


def test_cobs() -> None:
    for data, stuffed in records("cobs"):
        assert cobs.encode(blob(data)).hex() == stuffed
        assert cobs.decode(blob(stuffed)) == blob(data)


def test_checksums_and_packets_are_those_of_others() -> None:
    """What make_vectors.py wrote still is what this Python and the smp that is installed here make of it."""
    assert all(binascii.crc_hqx(blob(data), 0) == int(value) for data, value in records("crc16"))
    assert all(zlib.crc32(blob(data)) == int(value) for data, value in records("crc32"))
    assert all(b"".join(encode(blob(message), 128)) == blob(wire) for message, wire in records("packet"))


def test_packets_are_read() -> None:
    for message, wire in records("packet"):
        assert lines.LineReader().feed(blob(wire)) == [lines.SmpPacket(blob(message))]


@pytest.mark.parametrize("fields", records("report"), ids=lambda fields: "-".join(fields[:2]))
def test_reports(fields: list[str]) -> None:
    name, sequence, wire, *values = fields
    meant = reported(name, values)
    assert report.encode(meant, int(sequence)) == blob(wire)
    [found] = demux.Demultiplexer().feed(blob(wire))
    assert isinstance(found, demux.Report)
    assert found.frame.sequence == int(sequence)
    assert report.encode(report.decode(found.frame), int(sequence)) == blob(wire), "what fits a frame is read as it was meant"


def packets_of(events: Iterable[lines.Event]) -> list[lines.Event]:
    return [one for one in events if not isinstance(one, lines.Text)]


@pytest.mark.parametrize("fields", records("requests"), ids=lambda fields: fields[0])
def test_requests(fields: list[str]) -> None:
    _, stream, *events = fields
    expected = [event(one) for one in events]
    assert packets_of(lines.LineReader(4096).feed(blob(stream))) == expected
    reader = lines.LineReader(4096)
    assert [one for byte in blob(stream) for one in packets_of(reader.feed(bytes([byte])))] == expected


@pytest.mark.parametrize("fields", records("answers"), ids=lambda fields: fields[0])
def test_answers(fields: list[str]) -> None:
    _, stream, *events = fields
    expected = [event(one) for one in events]
    whole, bytewise = demux.Demultiplexer(), demux.Demultiplexer()
    assert whole.feed(blob(stream)) + whole.flush() == expected
    assert [one for byte in blob(stream) for one in bytewise.feed(bytes([byte]))] + bytewise.flush() == expected
