"""What the publisher has to know to publish states and live tracks. Other packages own the records that fit these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from edged.core.event import UpdateState
from edged.core.track import Box

CameraCondition = Literal["starting", "online", "lost", "ended"]


class CameraFacts(Protocol):
    """A camera as it is now."""

    @property
    def camera(self) -> str:
        """Its name."""

    @property
    def state(self) -> CameraCondition:
        """Its condition."""

    @property
    def since_ns(self) -> int:
        """When it came to be so, CLOCK_MONOTONIC."""

    @property
    def width(self) -> int:
        """Pixels across; 0 while not online."""

    @property
    def height(self) -> int:
        """Pixels down; 0 while not online."""

    @property
    def fps(self) -> float | None:
        """Frames per second, if it says so."""

    @property
    def description(self) -> str:
        """What it calls itself."""

    @property
    def reason(self) -> str:
        """Why it is lost, else empty."""


class ModelFacts(Protocol):
    """A model that serves."""

    @property
    def model_name(self) -> str:
        """The name that the configuration gives it."""

    @property
    def bundle(self) -> str:
        """The bundle it came from."""

    @property
    def version(self) -> str:
        """The bundle's version."""

    @property
    def digest(self) -> str:
        """SHA-256 of its weights."""

    @property
    def runtime(self) -> str:
        """Name and version of the interpreter."""

    @property
    def delegate(self) -> str:
        """What executes it."""

    @property
    def fallback(self) -> str:
        """Why an accelerator that was wanted does not, else empty."""

    @property
    def threads(self) -> int:
        """CPU threads of the interpreter."""

    @property
    def self_test_ms(self) -> float:
        """Milliseconds that its self-test took."""

    @property
    def at_ns(self) -> int:
        """Since when it serves, CLOCK_MONOTONIC."""


class LiveObjectFacts(Protocol):
    """An object in view."""

    @property
    def object_id(self) -> str:
        """Unique for ever."""

    @property
    def label(self) -> str:
        """Its class."""

    @property
    def score(self) -> float:
        """0..1."""

    @property
    def box(self) -> Box:
        """Where it is, in source-frame pixels."""


class LiveFacts(Protocol):
    """What a camera sees in one frame."""

    @property
    def camera(self) -> str:
        """Its name."""

    @property
    def seq(self) -> int:
        """The frame's number."""

    @property
    def captured_ns(self) -> int:
        """When the frame was captured, CLOCK_MONOTONIC."""

    @property
    def media_s(self) -> float | None:
        """The position in a recording."""

    @property
    def inference_ms(self) -> float:
        """Milliseconds of inference."""

    @property
    def objects(self) -> Sequence[LiveObjectFacts]:
        """Everything in view."""


class UpdateFacts(Protocol):
    """How far the update of one followed thing is."""

    @property
    def kind(self) -> str:
        """What it is: a model, say."""

    @property
    def id(self) -> str:
        """What its publisher calls it."""

    @property
    def sequence(self) -> int:
        """Grows with each that is signed; 0 where none is known."""

    @property
    def version(self) -> str:
        """For people."""

    @property
    def sha256(self) -> str:
        """Of its blob; empty where none is known."""

    @property
    def state(self) -> UpdateState:
        """How far it is."""

    @property
    def code(self) -> str:
        """Why, in a word."""

    @property
    def detail(self) -> str:
        """Why, for people."""

    @property
    def chunks(self) -> int:
        """How many are there."""

    @property
    def chunks_total(self) -> int:
        """How many there are."""

    @property
    def at_ns(self) -> int:
        """Since when, CLOCK_MONOTONIC."""
