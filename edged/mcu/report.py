"""What a microcontroller says unasked: its reports, as the bodies of frames.

Format: little endian; a text is its length in one byte and UTF-8. A body only ever grows at its end: what comes after the fields
that are known here is of a later version, and ignored. firmware/protocol/DESIGN.md lists all of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

from edged.core.errors import FrameInvalid
from edged.core.mcu import SelfTestState
from edged.mcu.frame import MAX_BODY_BYTES, Frame, pack

_HELLO_END = struct.Struct("<8sBI")
_RESULT = struct.Struct("<IBBBBBfiII8sH")
_HEALTH = struct.Struct("<IIBBBBB10I")
HASH_BYTES = 8
"""Of an image's SHA-256: enough to tell images of one board apart."""

SELF_TESTS: tuple[SelfTestState, ...] = ("not run", "passed", "failed", "none")
"""As health reports number them."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who is there: sent at start, and when asked. ``mode``: 0 loader, 1 application. Hashes: the first 8 bytes, zeros for none."""

    TYPE: ClassVar[int] = 1
    mode: int
    board: str
    fw_version: str
    engine: str
    fw_hash: bytes
    model_version: str
    model_name: str
    model_hash: bytes
    reset_reason: int
    boots: int


@dataclass(frozen=True, slots=True)
class Result:
    """One output of one inference. ``data`` is the tensor, cut to what fits a frame; ``total`` is how many bytes it has.

    ``source``: 0 sensor, 1 injected, 2 self-test; ``status``: 0, or why there is no result (firmware/core/result.h); ``dtype``:
    TensorType of TFLite's schema. ``inference`` counts since the board started.
    """

    TYPE: ClassVar[int] = 2
    inference: int
    source: int
    status: int
    output: int
    outputs: int
    dtype: int
    scale: float
    zero_point: int
    invoke_us: int
    uptime_ms: int
    model_hash: bytes
    total: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Health:
    """How it is, every few seconds. ``self_test``: 0 not run, 1 passed, 2 failed, 3 nothing to test.

    ``fw_state``, ``model_state``: 0 none, 1 on trial, 2 confirmed. ``reports`` were sent before this one.
    """

    TYPE: ClassVar[int] = 3
    uptime_ms: int
    boots: int
    reset_reason: int
    mode: int
    self_test: int
    fw_state: int
    model_state: int
    arena_used: int
    arena_size: int
    inferences: int
    invoke_us_mean: int
    invoke_us_max: int
    rx_bad: int
    rx_overruns: int
    tx_dropped: int
    stack_free: int
    reports: int


@dataclass(frozen=True, slots=True)
class Log:
    """A line of its log. ``level``: 10 debug, 20 info, 30 warning, 40 error."""

    TYPE: ClassVar[int] = 4
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Bye:
    """It is about to reset. ``reason``: 1 requested, 2 into the loader, 3 trial not confirmed in time, 4 self-test failed."""

    TYPE: ClassVar[int] = 5
    reason: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A report of a type that a later firmware has."""

    type: int
    body: bytes


Report: TypeAlias = Hello | Result | Health | Log | Bye | Unknown


def decode(frame: Frame) -> Report:
    """What a frame reports. Raises FrameInvalid."""
    body = _Fields(frame.body)
    match frame.type:
        case Hello.TYPE:
            mode, board, fw_version, engine = body.u8(), body.text(), body.text(), body.text()
            fw_hash, model_version, model_name = body.take(HASH_BYTES), body.text(), body.text()
            return Hello(mode, board, fw_version, engine, fw_hash, model_version, model_name, *body.unpack(_HELLO_END))
        case Result.TYPE:
            values = [*body.unpack(_RESULT)]
            return Result(*values, *[body.rest()[: values[-1]]])
        case Health.TYPE:
            return Health(*body.unpack(_HEALTH))
        case Log.TYPE:
            return Log(body.u8(), body.rest().decode(errors="replace"))
        case Bye.TYPE:
            return Bye(body.u8())
    return Unknown(frame.type, frame.body)


def encode(report: Report, sequence: int) -> bytes:
    """A report as a board sends it, delimiters included. Raises FrameInvalid for what does not fit its field or the frame.

    Like a board, it cuts the data of a result and the text of a log to what fits a frame.
    """
    type_ = report.type if isinstance(report, Unknown) else report.TYPE
    try:
        body = _body(report)
    except struct.error as error:
        raise FrameInvalid(f"a field of a report does not fit: {error}") from None
    return pack(Frame(type_, sequence & 0xFFFF, body))


def _body(report: Report) -> bytes:
    match report:
        case Hello():
            texts = b"".join(map(_text, (report.board, report.fw_version, report.engine)))
            model = _text(report.model_version) + _text(report.model_name)
            end = _HELLO_END.pack(report.model_hash, report.reset_reason, report.boots)
            return struct.pack("<B", report.mode) + texts + struct.pack(f"{HASH_BYTES}s", report.fw_hash) + model + end
        case Result():
            return (_RESULT.pack(*_values(report)[:-1]) + report.data)[:MAX_BODY_BYTES]
        case Health():
            return _HEALTH.pack(*_values(report))
        case Log():
            return (struct.pack("<B", report.level) + report.text.encode())[:MAX_BODY_BYTES]
        case Bye():
            return struct.pack("<B", report.reason)
        case Unknown():
            return report.body


def _values(report: Result | Health) -> list[Any]:
    return [getattr(report, field.name) for field in fields(report)]


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<B", len(data)) + data


class _Fields:
    """Takes one field after the other from a body; FrameInvalid where it ends too early."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> bytes:
        data = self._body[self._at : self._at + size]
        if len(data) < size:
            raise FrameInvalid(f"a report of {len(self._body)} bytes that ends in the middle of a field")
        self._at += size
        return data

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        return layout.unpack(self.take(layout.size))

    def u8(self) -> int:
        return self.take(1)[0]

    def text(self) -> str:
        return self.take(self.u8()).decode(errors="replace")

    def rest(self) -> bytes:
        return self._body[self._at :]
