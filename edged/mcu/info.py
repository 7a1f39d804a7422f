"""What a board tells of itself, as the rest of edged sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ImageNumber = Literal[0, 1]
FIRMWARE: ImageNumber = 0
MODEL: ImageNumber = 1

KINDS: dict[ImageNumber, str] = {FIRMWARE: "firmware", MODEL: "model"}


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of its server: bytes of the longest message with its framing, and how many it can hold at once."""

    buffer_bytes: int
    buffers: int


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output: ``dtype`` is TFLite's TensorType; real = scale * (stored - zero_point)."""

    dtype: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model that is in use; all empty if there is none."""

    name: str
    version: str
    hash: bytes
    state: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A number for the firmware and one for the model."""

    firmware: int
    model: int

    def of(self, image: ImageNumber) -> int:
        """That of one kind of image."""
        return self.model if image == MODEL else self.firmware


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """What it is and runs; hashes are those of the images' SHA-256 TLV; ``key``: how that of its public key begins.

    ``diagnosis`` says why its engine refuses the model, and names the operator where one is concerned. ``operators`` are those that
    the engine has, by BuiltinOperator of TFLite's schema; CUSTOM if it has any custom one. Empty if the board does not say.
    """

    mode: Literal["loader", "app"]
    board: str
    version: str
    hash: bytes
    engine: str
    model: ModelInfo
    state: str
    self_test: str
    failed_vector: int | None
    key: bytes
    counters: Pair
    arena_used_bytes: int
    arena_size_bytes: int
    reset_reason: int
    boots: int
    diagnosis: str
    op_index: int | None
    op_code: int | None
    operators: tuple[int, ...]
    slot_bytes: Pair
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True, slots=True)
class SlotImage:
    """A whole and rightly signed image in one of its slots; not ``bootable`` if it is older than the board will take."""

    image: ImageNumber
    slot: int
    version: str
    hash: bytes
    bootable: bool
    pending: bool
    confirmed: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Output:
    """What came out of one inference."""

    data: bytes
    dtype: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class Inference:
    """One run of the model: ``duration_us`` as the board measured it."""

    number: int
    duration_us: int
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class SelfTest:
    """How many golden vectors it has, and the first whose answer differs."""

    vectors: int
    failed: int | None
