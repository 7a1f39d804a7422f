"""What a microcontroller can be told over MQTT, and what is answered. Field names are the names on the wire, as in ``payload.py``.

Rules: whoever may write to the topic is not trusted further: a command is one of a few kinds, each field has a type and a bound, an
unknown field is refused, and nothing in a command is ever a path, a topic or code.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edged.mqtt.wire import encode

MAX_COMMAND_BYTES = 64 * 1024
"""Of a payload. A connection takes 72 KiB; the largest input that fits, 48 KiB, is a picture of 128 x 128 in three colours."""

MAX_INPUT_BYTES = 48 * 1024
MAX_BASE64 = 4 * MAX_INPUT_BYTES // 3
MAX_VALUES = 4096
MAX_PERIOD_MS = 3_600_000
MAX_ID = 64
MAX_DETAIL = 200
"""Characters of a reason: a sentence, with a name or two in it."""

Code = Literal[
    "ok",
    "malformed",
    "too_long",
    "retained",
    "too_many",
    "not_allowed",
    "not_supported",
    "refused",
    "busy",
    "away",
    "no_answer",
    "unsaid",
    "failed",
]
"""``refused``: the board says no; ``away``: it is not connected; ``no_answer``: it is, and did not answer in time; ``unsaid``: it
was done, and the answer is lost, most likely as too large for the broker; ``failed``: a fault of edged, whose log says more."""


class Command(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="command"):
    """What every command may carry: ``id`` comes back with the answer, for those who have no correlation data (MQTT 3.1.1)."""

    id: Annotated[str, Meta(max_length=MAX_ID)] = ""


class Info(Command, kw_only=True, frozen=True, tag="info"):
    """Say what it is and runs."""


class Run(Command, kw_only=True, frozen=True, tag="run"):
    """Run the model on an input: the tensor's bytes in base64, or its first values as they are stored, the rest being 0."""

    input: Annotated[str, Meta(max_length=MAX_BASE64)] | None = None
    values: Annotated[tuple[Annotated[int, Meta(ge=-128, le=255)], ...], Meta(max_length=MAX_VALUES)] | None = None


class Sample(Command, kw_only=True, frozen=True, tag="sample"):
    """Have the sensor read this often, until the board starts anew; 0 stops it."""

    period_ms: Annotated[int, Meta(ge=0, le=MAX_PERIOD_MS)]


class SelfTest(Command, kw_only=True, frozen=True, tag="selftest"):
    """Compare its answers with the golden vectors again."""


class Confirm(Command, kw_only=True, frozen=True, tag="confirm"):
    """Keep the firmware and the model that run."""


class Revert(Command, kw_only=True, frozen=True, tag="revert"):
    """Go back to what ran before, and start anew."""

    image: Literal["firmware", "model"]


class Reset(Command, kw_only=True, frozen=True, tag="reset"):
    """Start anew; ``to_loader`` has it stay in the loader."""

    to_loader: bool = False


AnyCommand = Info | Run | Sample | SelfTest | Confirm | Revert | Reset


COMMAND_PAYLOADS: dict[str, type[Command]] = {
    f"command_{struct.__struct_config__.tag}": struct for struct in (Info, Run, Sample, SelfTest, Confirm, Revert, Reset)
}
"""By the name of the message in the contract."""


class AnswerPayload(Struct, kw_only=True):
    """What became of a command; ``result`` holds what the command asked for, empty where ``code`` is not ``ok``."""

    mcu: str
    id: str
    command: str
    code: Code
    detail: str
    result: dict[str, Any]
    v: Literal[1] = 1


class CommandRefused(Exception):
    """A payload that is no command; ``code`` and ``detail`` are for the answer, ``id`` is known where it could be read."""

    def __init__(self, code: Code, detail: str, id: str = "") -> None:
        super().__init__(detail)
        self.code: Code = code
        self.detail = brief(detail)
        self.id = id


def brief(detail: str) -> str:
    """For an answer and a line of the log: what a stranger sent may be in it, as long and as strange as they like."""
    return "".join(it if it.isprintable() else "?" for it in detail[:MAX_DETAIL])


_DECODER = msgspec.json.Decoder(AnyCommand)


class _Id(Struct):
    id: Annotated[str, Meta(max_length=MAX_ID)] = ""


def decode_command(payload: bytes) -> AnyCommand:
    """A command from the wire; raises CommandRefused for anything else."""
    if len(payload) > MAX_COMMAND_BYTES:
        raise CommandRefused("too_long", f"{len(payload)} bytes, at most {MAX_COMMAND_BYTES} are taken")
    try:
        command: AnyCommand = _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CommandRefused("malformed", str(error), id_of(payload)) from error
    if isinstance(command, Run) and (command.input is None) == (command.values is None):
        raise CommandRefused("malformed", "run wants either input or values", command.id)
    return command


def input_of(command: Run, size_bytes: int) -> bytes:
    """The bytes of the model's input; raises CommandRefused where they are not as many as it takes."""
    if command.values is not None:
        if len(command.values) > size_bytes:
            raise CommandRefused("malformed", f"{len(command.values)} values, the model takes {size_bytes} bytes", command.id)
        return bytes(value & 0xFF for value in command.values).ljust(size_bytes, b"\0")
    try:
        data = base64.b64decode(command.input or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CommandRefused("malformed", f"input is no base64: {error}", command.id) from error
    if len(data) != size_bytes:
        raise CommandRefused("malformed", f"an input of {len(data)} bytes, the model takes {size_bytes}", command.id)
    return data


def name_of(command: Command) -> str:
    """The command's name on the wire."""
    return str(type(command).__struct_config__.tag)


def encode_answer(answer: AnswerPayload) -> bytes:
    """As one line of JSON."""
    return encode(answer)


def id_of(payload: bytes) -> str:
    """The id of what may be no command; empty where it has none that could be read."""
    if len(payload) > MAX_COMMAND_BYTES:
        return ""
    try:
        return msgspec.json.decode(payload, type=_Id).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
