"""Group 64 of the management protocol: what our loader and application answer beside the groups that every server has."""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Literal

import cbor2
from pydantic import BaseModel, ConfigDict
from smp import error, header, message

GROUP = 64
"""The first that the protocol leaves to its users."""

_TOLERANT = ConfigDict(extra="ignore", frozen=True)
"""A later firmware may say more."""


@unique
class Command(IntEnum):
    """Numbers within the group."""

    INFO = 0
    INPUT = 1
    INVOKE = 2
    OUTPUT = 3
    SELFTEST = 4
    SAMPLE = 5


class ErrorV1(error.ErrorV1):
    """As every group answers."""

    _GROUP_ID = GROUP


class ErrorV2(error.ErrorV2[int]):  # type: ignore[type-var]  # numbers, so that those of later firmware are understood too
    """With a group's own numbers."""

    _GROUP_ID = GROUP


class _Errors:
    _ErrorV1 = ErrorV1
    _ErrorV2 = ErrorV2


class _ReadRequest(message.ReadRequest, _Errors):
    _GROUP_ID = GROUP


class _WriteRequest(message.WriteRequest, _Errors):
    _GROUP_ID = GROUP


class _ReadAnswer(message.ReadResponse):
    model_config = _TOLERANT
    _GROUP_ID = GROUP


class _WriteAnswer(message.WriteResponse):
    model_config = _TOLERANT
    _GROUP_ID = GROUP


class ModelAnswer(BaseModel):
    """The model part of ``InfoAnswer``."""

    model_config = _TOLERANT

    name: str = ""
    version: str = ""
    hash: bytes = b""
    state: str = "none"


class PairAnswer(BaseModel):
    """One number for each kind of image."""

    model_config = _TOLERANT

    firmware: int = 0
    model: int = 0


class TensorAnswer(BaseModel):
    """One input or output."""

    model_config = _TOLERANT

    dtype: int
    shape: tuple[int, ...]
    scale: float = 0.0
    zero: int = 0
    bytes: int


class InfoAnswer(_ReadAnswer):
    """What a board is and runs."""

    _COMMAND_ID = Command.INFO

    mode: Literal["loader", "app"]
    board: str
    firmware_version: str = ""
    hash: bytes = b""
    engine: str = ""
    model: ModelAnswer = ModelAnswer()
    state: str = "none"
    self_test: str = "not run"
    failed_vector: int | None = None
    key: bytes = b""
    counter: PairAnswer = PairAnswer()
    arena_used: int = 0
    arena_size: int = 0
    reset_reason: int = 0
    boots: int = 0
    diagnosis: str = ""
    op_index: int | None = None
    op_code: int | None = None
    op_custom: bytes = b""
    operators: tuple[int, ...] = ()
    slot_size: PairAnswer = PairAnswer()
    inputs: tuple[TensorAnswer, ...] = ()
    outputs: tuple[TensorAnswer, ...] = ()

    @classmethod
    def loads(cls, data: bytes) -> InfoAnswer:
        """As in the base, which keeps the name ``version`` for that of the protocol."""
        fields = dict(cbor2.loads(data[header.Header.SIZE :]))
        if "version" in fields:
            fields["firmware_version"] = fields.pop("version")
        return cls.load(header.Header.loads(data[: header.Header.SIZE]), {**fields, "smp_data": data})


class InfoRead(_ReadRequest):
    """Ask what it is."""

    _COMMAND_ID = Command.INFO
    _Response = InfoAnswer


class InputAnswer(_WriteAnswer):
    """How much of the input is there now."""

    _COMMAND_ID = Command.INPUT

    off: int


class InputWrite(_WriteRequest):
    """Stage bytes of an input; offset 0 begins anew."""

    _COMMAND_ID = Command.INPUT
    _Response = InputAnswer

    index: int
    off: int
    data: bytes


class InvokeAnswer(_WriteAnswer):
    """How it went."""

    _COMMAND_ID = Command.INVOKE

    us: int
    inference: int
    outputs: int
    rc: int = 0


class InvokeWrite(_WriteRequest):
    """Run the model on what is staged."""

    _COMMAND_ID = Command.INVOKE
    _Response = InvokeAnswer


class OutputAnswer(_ReadAnswer):
    """Bytes of an output, and what they are."""

    _COMMAND_ID = Command.OUTPUT

    off: int
    len: int
    data: bytes
    dtype: int
    scale: float = 0.0
    zero: int = 0
    shape: tuple[int, ...] = ()


class OutputRead(_ReadRequest):
    """Ask for bytes of an output."""

    _COMMAND_ID = Command.OUTPUT
    _Response = OutputAnswer

    index: int
    off: int


class SelftestAnswer(_WriteAnswer):
    """How many golden vectors there are, and which failed first."""

    _COMMAND_ID = Command.SELFTEST

    vectors: int
    failed: int | None = None


class SelftestWrite(_WriteRequest):
    """Compare with the golden vectors again."""

    _COMMAND_ID = Command.SELFTEST
    _Response = SelftestAnswer


class SampleAnswer(_WriteAnswer):
    """The period that holds now."""

    _COMMAND_ID = Command.SAMPLE

    period_ms: int


class SampleWrite(_WriteRequest):
    """Have the sensor read every so often; 0 stops it."""

    _COMMAND_ID = Command.SAMPLE
    _Response = SampleAnswer

    period_ms: int
