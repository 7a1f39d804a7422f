"""What happened, in the words that reach a subscriber.

The vision process makes *occurrences*; the store gives each an id and a wall-clock time and makes it an ``Event``. Both are
plain data without numpy, since they live in the main process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edged.core.track import Box

Point = tuple[float, float]
"""x, y in source-frame pixels."""

ClockQuality = Literal["synchronised", "unsynchronised"]
"""Whether the system clock was disciplined (NTP, PTP, GPS) when the event was stored; if not, its wall time may be years off."""

LeaveReason = Literal["left", "source_lost", "stopped", "interrupted"]
"""Why an object left: it was gone for longer than the tracker waits; its camera was lost, or began to send pictures of another
size; it is followed no more, since the daemon (or its camera) was stopped in good order or another model serves that does not know
its label; or the process that followed it died."""


UpdateState = Literal[
    "queued", "downloading", "verified", "testing", "shadow", "trial", "confirmed", "rejected", "failed", "reverted"
]
"""How far an update is. ``rejected``: not installed, and not tried again as it is; ``failed``: not installed for a reason that may
pass, tried again; ``reverted``: was in use and is no more. The others follow one another."""


InferenceSource = Literal["sensor", "injected"]
"""Where a microcontroller's input came from: its own sensor, or whoever asked for the inference."""


@dataclass(frozen=True, slots=True)
class ObjectAppeared:
    """A tracked object was confirmed for the first time.

    ``at_ns`` is CLOCK_MONOTONIC of the frame; ``media_s`` the position in a recording, ``None`` for live cameras. ``model`` is
    the digest of the model that saw it.
    """

    camera: str
    object_id: str
    label: str
    score: float
    box: Box
    at_ns: int
    media_s: float | None
    model: str


@dataclass(frozen=True, slots=True)
class ObjectLeft:
    """A tracked object is gone. Every ``ObjectAppeared`` is followed by exactly one.

    ``dwell_s`` runs from the first detection to the last on the scene's clock. ``box`` is where it was last seen, ``best_box``
    where it scored ``best_score``. ``path`` is the way of the foot point (bottom centre), oldest first, thinned to at most 64
    points.
    """

    camera: str
    object_id: str
    label: str
    reason: LeaveReason
    dwell_s: float
    best_score: float
    best_box: Box
    box: Box
    path: tuple[Point, ...]
    at_ns: int
    media_s: float | None
    model: str


@dataclass(frozen=True, slots=True)
class SourceLost:
    """A camera that delivered frames does so no more (or never did)."""

    camera: str
    reason: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class SourceBack:
    """A lost camera delivers frames again, after ``outage_s`` seconds."""

    camera: str
    outage_s: float
    at_ns: int


@dataclass(frozen=True, slots=True)
class InferenceMade:
    """A microcontroller ran its model; ``at_ns`` (CLOCK_MONOTONIC) is when the result arrived here.

    ``inference`` counts from each start of the board, ``uptime_ms`` runs from it. ``label`` and ``score`` are of the class at
    ``index``, which scores highest; ``outputs`` are real numbers, the first of ``outputs_total``. ``model`` is the beginning of the
    image's SHA-256, 16 hexadecimal digits.
    """

    mcu: str
    inference: int
    source: InferenceSource
    label: str
    index: int
    score: float
    outputs: tuple[float, ...]
    outputs_total: int
    model: str
    model_version: str
    invoke_us: int
    uptime_ms: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class McuLost:
    """A microcontroller is not there, or says nothing any more (or never did)."""

    mcu: str
    reason: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class McuBack:
    """A lost microcontroller is heard again, after ``outage_s`` seconds."""

    mcu: str
    outage_s: float
    at_ns: int


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """Another model than before began to serve, or the same one on another delegate.

    ``previous`` is the digest of what served under this name, "" for the first. ``fallback`` says why an accelerator that was
    wanted does not run it, else it is empty.
    """

    model_name: str
    version: str
    digest: str
    previous: str
    delegate: str
    at_ns: int
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class UpdateChanged:
    """An update of a followed thing got further, or came to an end.

    ``target_kind`` and ``target_id`` name the thing as its publisher does; ``code`` says why it stands where it does, "ok" where
    nothing is wrong, ``detail`` the same for people. ``sequence`` is 0 and ``sha256`` empty where nothing is known of any update.
    """

    target_kind: str
    target_id: str
    sequence: int
    version: str
    sha256: str
    state: UpdateState
    code: str
    detail: str
    at_ns: int


Occurrence = (
    ObjectAppeared | ObjectLeft | SourceLost | SourceBack | ModelChanged | UpdateChanged | InferenceMade | McuLost | McuBack
)

KINDS: dict[str, type[Occurrence]] = {
    "object_appeared": ObjectAppeared,
    "object_left": ObjectLeft,
    "source_lost": SourceLost,
    "source_back": SourceBack,
    "model_changed": ModelChanged,
    "update": UpdateChanged,
    "inference": InferenceMade,
    "mcu_lost": McuLost,
    "mcu_back": McuBack,
}
"""The names of the kinds on every wire and in the store; never renamed."""

_NAMES = {cls: name for name, cls in KINDS.items()}


def kind_of(occurrence: Occurrence) -> str:
    """The name of the occurrence's kind."""
    return _NAMES[type(occurrence)]


@dataclass(frozen=True, slots=True)
class EventId:
    """Unique for ever: ``epoch`` is drawn when a device's store is made, ``seq`` counts from 1 within it, in order of commit."""

    device: str
    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.device}/{self.epoch}/{self.seq}"


@dataclass(frozen=True, slots=True)
class Event:
    """A stored occurrence; ``unix_ms`` is the wall-clock time at which it happened, as well as ``clock`` allows."""

    id: EventId
    unix_ms: int
    clock: ClockQuality
    occurrence: Occurrence

    @property
    def kind(self) -> str:
        """The name of the occurrence's kind."""
        return kind_of(self.occurrence)
