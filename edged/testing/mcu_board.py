"""A microcontroller without its serial line: management messages in, answers out, reports on the side. No I/O, no clock."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cbor2

from edged.mcu import report
from edged.testing.mcu_image import Key
from edged.testing.mcu_slots import ABSENT, BAD_STATE, INVALID, NOT_SUPPORTED, Refused, Slots

HEADER = struct.Struct(">BBHHBB")
INT8 = 9
"""TFLite's number for it."""

SelfTest = Literal["none", "passed", "failed", "not run"]
"""As a report numbers them."""

Infer = Callable[[Sequence[bytes]], list[bytes]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of the model."""

    shape: tuple[int, ...]
    scale: float = 1 / 256
    zero: int = -128
    dtype: int = INT8

    @property
    def size_bytes(self) -> int:
        """Of int8 numbers."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def record(self) -> dict[str, Any]:
        """As `info` tells it."""
        fields = {"dtype": self.dtype, "shape": list(self.shape), "scale": self.scale, "zero": self.zero}
        return {**fields, "bytes": self.size_bytes}


def mean(inputs: Sequence[bytes]) -> list[bytes]:
    """The model that a fake runs unless it is given another: two numbers, the mean of the first input and its negation."""
    values = [byte - 256 if byte > 127 else byte for byte in inputs[0]]
    middle = round(sum(values) / len(values)) if values else 0
    return [bytes([middle & 0xFF, -middle & 0xFF])]


@dataclass(slots=True)
class FakeBoard:
    """Everything may be set before it is used, or while it is; ``resets`` says how often it has started again."""

    board: str = "host"
    ours: bool = True
    """Whether it answers more than the standard commands."""
    key: Key = field(default_factory=Key)
    engine: str = "native"
    buffer_bytes: int = 4096 + 4
    buffers: int = 1
    slot_bytes: int = 1 << 20
    arena_bytes: int = 128 * 1024
    arena_used_bytes: int = 82_000
    inputs: tuple[Tensor, ...] = (Tensor((1, 4)),)
    outputs: tuple[Tensor, ...] = (Tensor((1, 2)),)
    infer: Infer = mean
    self_test: SelfTest = "passed"
    """What a self-test finds when it runs: at each start, and when asked."""
    vectors: int = 2
    period_ms: int | None = None
    """Of the sensor; None: there is none."""
    invoke_us: int = 1500
    diagnosis: str = ""
    """Why its firmware refuses its model, if it does: it has failed its self-test then."""
    operator: dict[str, Any] = field(default_factory=dict)
    """The one that is concerned, if any is: ``op_index``, ``op_code``, ``op_custom``."""
    operators: tuple[int, ...] = ()
    """What its firmware says that it has."""
    resets: int = 0
    in_loader: bool = False
    inferences: int = 0
    reset_reason: int = 0
    firmware: Slots = field(init=False)
    model: Slots = field(init=False)
    reset_asked: bool = field(default=False, init=False)
    hello_asked: bool = field(default=False, init=False)
    """Both are for who carries the messages: to do, and to set back."""
    results: list[bytes] = field(default_factory=list, init=False)
    """Outputs of an inference that was asked for, to be reported; whoever does clears it."""
    _staged: dict[int, bytearray] = field(default_factory=dict, init=False)
    _answers: list[bytes] = field(default_factory=list, init=False)
    _to_loader: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.firmware = Slots(self.board, self.key, model=False, size_bytes=self.slot_bytes)
        self.model = Slots(self.board, self.key, model=True, size_bytes=self.slot_bytes)

    def reset(self) -> None:
        """Start again, as after `reset` or a power cut."""
        self.resets += 1
        self.in_loader, self._to_loader = self._to_loader, False
        self.reset_asked = False
        self._staged.clear()
        if not self.in_loader:
            self.firmware.reset()
            self.model.reset()

    @property
    def model_hash(self) -> bytes:
        """Of the model that runs; zeros without one."""
        model = self.model.image(self.model.running)
        return model.hash if model else bytes(32)

    def hello(self) -> report.Hello:
        """What it says when it starts."""
        firmware, model = self.firmware.image(self.firmware.running), self.model.image(self.model.running)
        return report.Hello(
            mode=0 if self.in_loader else 1,
            board=self.board,
            fw_version=firmware.version if firmware else "0.0.0",
            engine=self.engine,
            fw_hash=(firmware.hash if firmware else bytes(32))[: report.HASH_BYTES],
            model_version=model.version if model else "",
            model_name=model.model or "" if model else "",
            model_hash=self.model_hash[: report.HASH_BYTES],
            reset_reason=self.reset_reason,
            boots=self.resets,
        )

    def health(self, uptime_ms: int, reports: int) -> report.Health:
        """What it says every few seconds."""
        states = {"none": 0, "trial": 1, "confirmed": 2}
        runs = self._runs
        return report.Health(
            uptime_ms=uptime_ms,
            boots=self.resets,
            reset_reason=self.reset_reason,
            mode=0 if self.in_loader else 1,
            self_test=report.SELF_TESTS.index(self._verdict),
            fw_state=states[self.firmware.state],
            model_state=states[self.model.state],
            arena_used=self.arena_used_bytes if runs else 0,
            arena_size=self.arena_bytes,
            inferences=self.inferences,
            invoke_us_mean=self.invoke_us if self.inferences else 0,
            invoke_us_max=self.invoke_us if self.inferences else 0,
            rx_bad=0,
            rx_overruns=0,
            tx_dropped=0,
            stack_free=2048,
            reports=reports,
        )

    def handle(self, message: bytes) -> bytes | None:
        """The answer to a request; None if that is none."""
        if len(message) < HEADER.size:
            return None
        first, flags, length, group, sequence, command = HEADER.unpack_from(message)
        operation, version = first & 7, first >> 3 & 3
        if operation not in {0, 2} or length != len(message) - HEADER.size:
            return None
        try:
            fields = cbor2.loads(message[HEADER.size :])
            answer = self._answer(group, command, operation == 2, fields)
        except Refused as refusal:
            answer = {"err": {"group": group, "rc": refusal.code}} if version else {"rc": refusal.code}
            if refusal.code == NOT_SUPPORTED:  # no group of its own can say so
                answer = {"rc": refusal.code}
        except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError):
            answer = {"rc": INVALID}
        data = cbor2.dumps(answer)
        return HEADER.pack(operation + 1 | version << 3, flags, len(data), group, sequence, command) + data

    def _answer(self, group: int, command: int, write: bool, fields: dict[str, Any]) -> dict[str, Any]:
        handlers: dict[tuple[int, int, bool], Callable[[dict[str, Any]], dict[str, Any]]] = {
            (0, 0, True): lambda it: {"r": it["d"]},
            (0, 5, True): self._reset_later,
            (0, 6, False): lambda _: {"buf_size": self.buffer_bytes, "buf_count": self.buffers},
            (1, 0, False): lambda _: self._states(),
            (1, 0, True): self._set_state,
            (1, 1, True): self._upload,
            (1, 5, True): self._erase,
            (64, 0, False): lambda _: self._info(),
        }
        if group == 64 and not self.ours:
            raise Refused(NOT_SUPPORTED)
        handler = handlers.get((group, command, write))
        if handler is not None:
            return handler(fields)
        if group == 64 and not self.in_loader:
            return self._run(command, write, fields)
        raise Refused(NOT_SUPPORTED)

    def _reset_later(self, fields: dict[str, Any]) -> dict[str, Any]:
        self.reset_asked, self._to_loader = True, fields.get("boot_mode") == 1
        return {}

    def _upload(self, fields: dict[str, Any]) -> dict[str, Any]:
        slots = self._slots(fields.get("image"))
        return {"off": slots.write(fields["off"], fields["data"], fields.get("len"), fields.get("sha"))}

    def _erase(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._slots(fields.get("slot", 0) // 2).erase()
        return {}

    def _slots(self, image: int | None) -> Slots:
        """Those of an image number; without one, those of the upload that is under way."""
        if image is None:
            under_way = [it for it in (self.firmware, self.model) if it.upload is not None]
            return under_way[-1] if under_way else self.firmware
        if image not in {0, 1}:
            raise Refused(INVALID)
        chosen, other = (self.model, self.firmware) if image else (self.firmware, self.model)
        other.upload = None
        return chosen

    def _states(self) -> dict[str, Any]:
        images = []
        for number, slots in enumerate((self.firmware, self.model)):
            for slot in (0, 1):
                if (image := slots.image(slot)) is not None:
                    state = {
                        "image": number,
                        "slot": slot,
                        "version": image.version,
                        "hash": image.hash,
                        "bootable": slots.may_run(slot),
                    }
                    state |= {"pending": slots.pending == slot, "confirmed": slots.was_confirmed(slot)}
                    images.append(state | {"active": slots.running == slot, "permanent": False})
        return {"images": images}

    def _set_state(self, fields: dict[str, Any]) -> dict[str, Any]:
        wanted = fields.get("hash")
        if fields.get("confirm"):
            if wanted is not None:
                raise Refused(INVALID)
            if self.in_loader or self._verdict in {"failed", "not run"}:
                raise Refused(BAD_STATE)
            self.firmware.confirm()
            self.model.confirm()
        else:
            both = [slots for slots in (self.firmware, self.model) if self._holds(slots, wanted)]
            if not both:
                raise Refused(ABSENT)
            both[0].request(bytes(wanted or b""))
        return self._states()

    @staticmethod
    def _holds(slots: Slots, wanted: bytes | None) -> bool:
        return any(image.hash == wanted for image in (slots.image(0), slots.image(1)) if image is not None)

    def _info(self) -> dict[str, Any]:
        self.hello_asked = True
        firmware, model = self.firmware.image(self.firmware.running), self.model.image(self.model.running)
        runs = self._runs
        info: dict[str, Any] = {
            "mode": "loader" if self.in_loader else "app",
            "board": self.board,
            "version": firmware.version if firmware else "0.0.0",
            "hash": firmware.hash if firmware else bytes(32),
            "engine": self.engine,
            "model": {
                "name": model.model if model else "",
                "version": model.version if model else "",
                "hash": model.hash if model else b"",
                "state": self.model.state,
            },
            "state": self.firmware.state,
            "self_test": self._verdict,
            "key": self.key.hash[:8],
            "counter": {"firmware": self.firmware.floor, "model": self.model.floor},
            "arena_used": self.arena_used_bytes if runs else 0,
            "arena_size": self.arena_bytes,
            "reset_reason": self.reset_reason,
            "boots": self.resets,
            "slot_size": {"firmware": self.slot_bytes, "model": self.slot_bytes},
            "inputs": [tensor.record() for tensor in self.inputs] if runs else [],
            "outputs": [tensor.record() for tensor in self.outputs] if runs else [],
        }
        if self.in_loader:
            return info
        info |= {"operators": list(self.operators)} if self.operators else {}
        if self.diagnosis:
            return info | {"diagnosis": self.diagnosis, **self.operator}
        return info | ({"failed_vector": 0} if info["self_test"] == "failed" else {})

    @property
    def _runs(self) -> bool:
        """Whether it has a model that its firmware takes."""
        return self.model.image(self.model.running) is not None and not self.in_loader and not self.diagnosis

    @property
    def _verdict(self) -> SelfTest:
        if self.diagnosis and not self.in_loader:
            return "failed"
        return self.self_test if self._runs and self.vectors else "none"

    def _run(self, command: int, write: bool, fields: dict[str, Any]) -> dict[str, Any]:
        match command, write:
            case 1, True:
                return {"off": self._stage(fields["index"], fields["off"], fields["data"])}
            case 2, True:
                self._answers = self._invoke()
                self.results = list(self._answers)
                return {"rc": 0, "us": self.invoke_us, "inference": self.inferences, "outputs": len(self._answers)}
            case 3, False:
                index, offset = fields["index"], fields["off"]
                if not 0 <= index < len(self._answers):
                    raise Refused(ABSENT)
                spec, data = self.outputs[index].record(), self._answers[index]
                del spec["bytes"]
                return {"off": offset, "len": len(data), "data": data[offset : offset + 512], **spec}
            case 4, True:
                return {"vectors": self.vectors} | ({"failed": 0} if self.self_test == "failed" else {})
            case 5, True if self.period_ms is not None:
                self.period_ms = int(fields["period_ms"])
                return {"period_ms": self.period_ms}
        raise Refused(NOT_SUPPORTED)

    def _stage(self, index: int, offset: int, data: bytes) -> int:
        if not 0 <= index < len(self.inputs) or self.model.image(self.model.running) is None:
            raise Refused(ABSENT)
        staged = self._staged.setdefault(index, bytearray())
        if offset == 0:
            staged.clear()
        if offset == len(staged):
            if offset + len(data) > self.inputs[index].size_bytes:
                raise Refused(INVALID)
            staged += data
        return len(staged)

    def _invoke(self) -> list[bytes]:
        if self.model.image(self.model.running) is None:
            raise Refused(BAD_STATE)
        inputs = [bytes(self._staged.get(index, b"")).ljust(it.size_bytes, b"\0") for index, it in enumerate(self.inputs)]
        self.inferences += 1
        return self.infer(inputs)
