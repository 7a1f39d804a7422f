"""Writes vectors.txt. What it holds is what independent code makes (zlib, binascii, smp), or is spelled out by hand below.

``python tests/firmware/make_vectors.py`` after a change of the wire; a change of the file is a change of the wire.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from dataclasses import fields, replace

from smp.packet import encode
from vectors import FILE

from edged.mcu import report

HEADER = """\
# What both sides of the wire have to make of the same bytes. Written by make_vectors.py; one record a line, fields between
# blanks, bytes and text in hexadecimal, "-" for none.
#
#   cobs DATA STUFFED             COBS without delimiters
#   crc16 DATA VALUE              CRC-16/XMODEM, decimal
#   crc32 DATA VALUE              CRC-32 of IEEE 802.3, decimal
#   packet MESSAGE LINES          a message of SMP and its packet, as both sides send it
#   report NAME SEQUENCE WIRE FIELD=VALUE...   numbers decimal, scale as its four bytes, little endian
#   requests NAME STREAM EVENT... what a receiver of SMP makes of a stream: packet:MESSAGE or bad:packet:REASON
#   answers NAME STREAM EVENT...  what a host makes of one: also text:BYTES, bad:frame:REASON, report:TYPE:SEQUENCE:BODY
"""

LINE = 93
"""Bytes that a line holds."""
MAX_MESSAGE = 4096


def message(size: int) -> bytes:
    return bytes((index * 7 + 3) % 256 for index in range(size))


def packet(content: bytes, line_length: int = 128) -> bytes:
    return b"".join(encode(content, line_length))


def lines(content: bytes) -> list[bytes]:
    return list(encode(content, 128))


def raw_packet(raw: bytes) -> bytes:
    return b"\x06\x09" + base64.b64encode(raw) + b"\n"


def stuffed(data: bytes) -> bytes:
    """COBS by its definition: at every zero a block ends and stands for it too; a block of 254 bytes stands for them alone."""
    blocks = [b""]
    for byte in data:
        if len(blocks[-1]) == 254:
            blocks.append(b"")
        if byte:
            blocks[-1] += bytes([byte])
        else:
            blocks.append(b"")
    return b"".join(bytes([len(block) + 1]) + block for block in blocks)


def frame(type_: int, sequence: int, body: bytes, version: int = 1) -> bytes:
    return checked(struct.pack("<BBH", version, type_, sequence) + body)


def checked(data: bytes) -> bytes:
    return b"\0" + stuffed(data + struct.pack("<I", zlib.crc32(data))) + b"\0"


def sent(content: bytes) -> str:
    return f"packet:{text(content)}"


def seen(type_: int, sequence: int, body: bytes) -> str:
    return f"report:{type_}:{sequence}:{text(body)}"


def said(content: bytes) -> str:
    return f"text:{text(content)}"


def lost(reason: str, kind: str = "packet") -> str:
    return f"bad:{kind}:{reason}"


def text(data: bytes) -> str:
    return data.hex() or "-"


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def cobs_records() -> Iterator[str]:
    cases = [b"", b"\0", b"\0\0", b"\1", b"\0\1\0", bytes(range(256)), b"\xff" * 1024, b"\0" * 300]
    cases += [b"x" * size + tail for size in (253, 254, 255, 508, 509) for tail in (b"", b"\0", b"\0y")]
    for case in cases:
        yield f"cobs {text(case)} {text(stuffed(case))}"


def checksum_records() -> Iterator[str]:
    for case in (b"", b"123456789", b"\0", b"\xff" * 5, message(1000)):
        yield f"crc16 {text(case)} {binascii.crc_hqx(case, 0)}"
        yield f"crc32 {text(case)} {zlib.crc32(case)}"


def packet_records() -> Iterator[str]:
    borders = [LINE * count - 4 + off for count in (1, 2, 3) for off in (-3, -2, -1, 0, 1, 2, 3)]
    for size in (0, 1, 2, 3, 4, 8, *borders, MAX_MESSAGE):
        yield f"packet {text(message(size))} {text(packet(message(size)))}"


def report_records() -> Iterator[str]:
    digest = bytes(range(0xA0, 0xA8))
    hello = report.Hello(1, "mps2-an385", "1.2.3+4", "native", digest, "7.0.0", "person", bytes(8), 2, 70_000)
    result = report.Result(9, 1, 0, 0, 2, 9, 0.00390625, -128, 93_001, 4_000_000_000, digest, 2, b"\x8f\x71")
    health = report.Health(5000, 3, 0, 1, 1, 2, 1, 82_000, 262_144, 17, 93_000, 94_211, 1, 2, 3, 1800, 40)
    cases = [
        (0, hello),
        (1, replace(hello, mode=0, model_name="Türwächter", model_version="", engine="", boots=0)),
        (255, replace(hello, board="b" * 255)),
        (256, result),
        (257, replace(result, status=13, scale=-1.5, zero_point=2**31 - 1, total=0, data=b"")),
        (258, replace(result, total=1200, data=message(1200))),
        (0xFFFF, replace(result, total=600, data=bytes(600))),
        (3, health),
        (4, report.Log(30, "the model needs 1 byte more")),
        (5, report.Log(10, "")),
        (6, report.Log(40, "0123456789" * 200)),
        (7, report.Bye(3)),
    ]
    for sequence, one in cases:
        values = " ".join(f"{field.name}={value(getattr(one, field.name))}" for field in fields(one))
        yield f"report {type(one).__name__.lower()} {sequence} {text(frame(one.TYPE, sequence, body(one)))} {values}"


def value(of: object) -> str:
    match of:
        case str():
            return text(of.encode())
        case bytes():
            return text(of)
        case float():
            return text(struct.pack("<f", of))
    return str(of)


def body(of: report.Report) -> bytes:
    """By the table of firmware/protocol/DESIGN.md, cut to 1,016 bytes."""

    def short(words: str) -> bytes:
        return bytes([len(words.encode())]) + words.encode()

    match of:
        case report.Hello():
            first = bytes([of.mode]) + short(of.board) + short(of.fw_version) + short(of.engine) + of.fw_hash
            return (
                first
                + short(of.model_version)
                + short(of.model_name)
                + of.model_hash
                + struct.pack("<BI", of.reset_reason, of.boots)
            )
        case report.Result():
            first = struct.pack("<IBBBBB", of.inference, of.source, of.status, of.output, of.outputs, of.dtype)
            second = struct.pack("<fiII", of.scale, of.zero_point, of.invoke_us, of.uptime_ms)
            return (first + second + of.model_hash + struct.pack("<H", of.total) + of.data)[:1016]
        case report.Health():
            whole = [getattr(of, field.name) for field in fields(of)]
            return struct.pack("<II", *whole[:2]) + bytes(whole[2:7]) + struct.pack("<10I", *whole[7:])
        case report.Log():
            return (bytes([of.level]) + of.text.encode())[:1016]
    assert isinstance(of, report.Bye)
    return bytes([of.reason])


def request_records() -> Iterator[str]:
    short, long = message(20), message(400)
    parts = lines(long)
    two = packet(short) + packet(message(21))
    both = [sent(short), sent(message(21))]
    framed = struct.pack(">H", len(long) + 2) + long + struct.pack(">H", binascii.crc_hqx(long, 0))
    each = [framed[at : at + 50] for at in range(0, len(framed), 50)]
    padded = b"\x06\x09" + b"\n\x04\x14".join(base64.b64encode(piece) for piece in each) + b"\n"
    cases: dict[str, tuple[bytes, list[str]]] = {
        "nothing": (b"", []),
        "one-after-the-other": (two, both),
        "twice": (packet(short) * 2, [sent(short)] * 2),
        "short-lines": (packet(long, 8), [sent(long)]),
        "long-lines": (packet(long, 1000), [sent(long)]),
        "lines-padded-one-by-one": (padded, [sent(long)]),
        "largest": (packet(message(MAX_MESSAGE)), [sent(message(MAX_MESSAGE))]),
        "too-large": (packet(message(MAX_MESSAGE + 1)) + two, [lost("too-large"), *both]),
        "largest-length": (raw_packet(b"\xff\xff" + message(50)) + parts[1] + two, [lost("too-large"), *both]),
        "garbage-around": (b"\xff\x80hello\n\x06x\x04\n\x09\x14" + two[:-1] + b"\n\xfe\x06\x04", both),
        "text-between-lines": (b"text\n".join(parts) + two, [sent(long), *both]),
        "empty-lines": (b"\x06\x09\n\x04\x14\n\x04\x14" + packet(short)[2:], [sent(short)]),
        "cut-off-in-a-line": (parts[0][:50] + two, [lost("truncated"), *both]),
        "cut-off-between-lines": (parts[0] + parts[1] + two, [lost("truncated"), *both]),
        "a-line-goes-on-in-the-next": (parts[0][:-1] + b"".join(parts[1:]) + two, [lost("truncated"), *both]),
        "without-its-first-line": (b"".join(parts[1:]) + two, [lost("malformed"), *both]),
        "without-a-middle-line": (parts[0] + b"".join(parts[2:]) + two, [lost("truncated"), *both]),
        "a-line-twice": (b"".join([*parts[:3], *parts[2:]]) + two, [lost("malformed"), *both]),
        "more-than-its-length": (raw_packet(framed + b"x") + two, [lost("malformed"), *both]),
        "a-byte-changed": (flipped(parts[0], 30, 1) + b"".join(parts[1:]) + two, [lost("corrupt"), *both]),
        "corrupt-and-continued": (raw_packet(b"\0\3abc") + parts[1] + two, [lost("corrupt"), *both]),
        "no-digit": (parts[0][:9] + b"-" + b"".join([parts[0][10:], *parts[1:]]) + two, [lost("malformed"), *both]),
        "a-zero-in-a-line": (parts[0][:9] + b"\0" + b"".join([parts[0][10:], *parts[1:]]) + two, [lost("malformed"), *both]),
        "half-a-group": (parts[0][:-2] + b"\n" + b"".join(parts[1:]) + two, [lost("malformed"), *both]),
        "padding-too-early": (b"\x06\x09A===\n" + two, [lost("malformed"), *both]),
        "padding-inside": (b"\x06\x09AA=A\n" + two, [lost("malformed"), *both]),
        "more-after-padding": (b"\x06\x09AAA=AAAA\n" + two, [lost("malformed"), *both]),
        "padding-alone": (b"\x06\x09====\n" + two, [lost("malformed"), *both]),
        "no-room-for-a-checksum": (raw_packet(b"\0\1x") + raw_packet(b"\0\0") + two, [lost("malformed")] * 2 + both),
        "half-a-mark": (b"\x06\x06\x09" + packet(short)[2:] + b"\x04\x06\x09" + packet(short)[2:], [sent(short)] * 2),
        "half-a-mark-in-a-line": (parts[0][:9] + b"\x04" + parts[0][9:] + parts[1] + two, [lost("malformed"), *both]),
        "a-mark-in-a-mark": (b"\x06\x04\x14AAAA\n" + two, [lost("malformed"), *both]),
    }
    for name, (stream, events) in cases.items():
        yield " ".join(["requests", name, text(stream), *events])


def answer_records() -> Iterator[str]:
    log, other = b"\x14hello", b"\x14again"
    one, two = frame(4, 7, log), frame(4, 8, other)
    saw = [seen(4, 7, log), seen(4, 8, other)]
    short, long = message(20), message(150)
    first, second = lines(long)
    hidden, full = b"\x14" + packet(short) + b"\n\x06\x09", frame(2, 9, b"\x01" * 1016)
    cases: dict[str, tuple[bytes, list[str]]] = {
        "all-kinds": (b"boot\n" + one + packet(short) + b"tail", [said(b"boot\n"), saw[0], sent(short), said(b"tail")]),
        "text-by-lines": (b"a\nb\n\nc", [said(b"a\n"), said(b"b\n"), said(b"\n"), said(b"c")]),
        "text-without-end": (b"x" * 600, [said(b"x" * 256), said(b"x" * 256), said(b"x" * 88)]),
        "text-before-a-packet": (b"> " + packet(short), [said(b"> "), sent(short)]),
        "marks-in-text": (b"a\x06b\x04\x04c\n", [said(b"a\x06b\x04\x04c\n")]),
        "half-a-mark-before-a-frame": (b"a\x06" + one, [said(b"a\x06"), saw[0]]),
        "half-a-mark-ends-a-long-line": (b"x" * 255 + b"\x06y\n", [said(b"x" * 255 + b"\x06"), said(b"y\n")]),
        "a-frame-between-lines": (first + one + second, [saw[0], sent(long)]),
        "a-packet-inside-a-frame": (frame(4, 1, hidden) + packet(short), [seen(4, 1, hidden), sent(short)]),
        "a-frame-inside-a-line": (first[:40] + one + first[40:] + two, [lost("truncated"), saw[0], said(first[40:]), saw[1]]),
        "largest": (full + one, [seen(2, 9, b"\x01" * 1016), saw[0]]),
        "too-large": (frame(2, 9, b"\x01" * 1017) + one, [lost("too-large", "frame"), saw[0]]),
        "too-large-by-its-zeros": (frame(2, 9, bytes(1017)) + one, [lost("malformed", "frame"), saw[0]]),
        "smallest": (frame(9, 1, b"") + one, [seen(9, 1, b""), saw[0]]),
        "too-small": (checked(b"\x01\x04\x07") + one, [lost("malformed", "frame"), saw[0]]),
        "twice": (one + one + two, [saw[0], *saw]),
        "later-type": (frame(200, 0, b"") + one, [seen(200, 0, b""), saw[0]]),
        "later-version": (frame(1, 0, b"x", 2) + one, [lost("unknown-version", "frame"), saw[0]]),
        "one-delimiter-between": (one + two[1:], saw),
        "more-delimiters": (b"\0\0" + one + b"\0\0\0" + two + b"\0", saw),
        "a-byte-changed": (flipped(one, 9) + two, [lost("corrupt", "frame"), saw[1]]),
        "a-byte-less": (one[:9] + one[10:] + two, [lost("malformed", "frame"), saw[1]]),
        "cut-off": (one[:9] + two, [lost("malformed", "frame"), saw[1]]),
        "joined-in-the-middle": (one[9:] + two, [said(one[9:-1]), saw[1]]),
        "end-lost-text-follows": (one[:-1] + b"text\n" + two, [lost("malformed", "frame"), saw[1]]),
        "end-lost-packet-follows": (one[:-1] + packet(short) + two, [lost("malformed", "frame"), sent(short), saw[1]]),
        "begin-lost": (one[1:] + packet(short) + two, [said(one[1:-1]), lost("malformed", "frame"), sent(short), saw[1]]),
        "begin-lost-text-follows": (one[1:] + b"text\n" + two,
            [said(one[1:-1]), lost("malformed", "frame"), said(b"text\n"), saw[1]]),
        "a-letter-between-frame-and-packet": (one + b"a" + packet(short), [saw[0], said(b"a"), sent(short)]),
        "a-letter-between-frames": (one + b"a" + two + b"b", [saw[0], said(b"a"), saw[1], said(b"b")]),
        "a-zero-in-text": (b"te\0xt\n" + one, [said(b"te"), lost("malformed", "frame"), said(b"xt\n"), saw[0]]),
        "a-zero-before-a-packet": (b"\0" + packet(short) + one, [lost("malformed", "frame"), sent(short), saw[0]]),
        "a-zero-in-a-line": (first[:40] + b"\0" + first[41:] + second + one,
            [lost("truncated"), lost("malformed", "frame"), said(first[41:]), saw[0]]),
        "begins-like-a-frame": (b"\0\x05\x01text" + packet(short) + one, [lost("malformed", "frame"), sent(short), saw[0]]),
        "begins-like-a-frame-and-never-ends": (b"\0\x05\x01" + packet(message(900)) + one,
            [lost("too-large", "frame"), sent(message(900)), saw[0]]),
    }  # fmt: skip
    for name, (stream, events) in cases.items():
        yield " ".join(["answers", name, text(stream), *events])


def main() -> None:
    every = (cobs_records, checksum_records, packet_records, report_records, request_records, answer_records)
    FILE.write_text(HEADER + "".join(f"{record}\n" for records in every for record in records()))


if __name__ == "__main__":
    main()
