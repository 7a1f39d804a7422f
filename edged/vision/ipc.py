"""What the main process and the vision process say to each other.

Rules: a message is one datagram of a SOCK_SEQPACKET pair: the kind's name, a NUL, the fields as msgpack. What comes from the vision
process is checked like any input, since that process parses what cameras and models send. Free of numpy.
"""

from __future__ import annotations

import math
import socket
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import msgspec

from edged.core.errors import ModelFault, ProtocolViolated
from edged.core.event import ObjectAppeared, ObjectLeft
from edged.core.latency import NO_LATENCY, Latency
from edged.core.track import Box
from edged.infer.settings import ModelSettings
from edged.vision.settings import VisionSettings, decode_path, encode_path

MAX_MESSAGE_BYTES = 1 << 17
"""Above any message of a sane configuration (1000 live objects are 90 KiB), below the kernel's usual send buffer (208 KiB)."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Main to vision: end the tracks, say so, and leave."""


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Main to vision: go on with other settings, or say why not and go on with those that serve. One at a time."""

    settings: VisionSettings


@dataclass(frozen=True, slots=True)
class Shadow:
    """Main to vision: let a candidate look at frames beside the model ``model_name`` until so many ``frames`` were compared or
    ``seconds`` are over, in the place of a shadow that there is. ``Agreement`` answers with the same ``number``, in the end with
    ``ended``.

    ``identity`` is that of the candidate's bundle that was probed, ``memory_bytes`` what it was seen to take (0: unknown).
    ``share`` of the frames are shown to it (above 0, at most 1).
    """

    model_name: str
    candidate: ModelSettings
    identity: str
    share: float
    frames: int
    seconds: float
    memory_bytes: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class StopShadow:
    """Main to vision: end the shadow, if there is one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why settings cannot be served; ``key`` is their place in the configuration, ``fault`` sorts what is a model's."""

    key: tuple[str, ...]
    text: str
    fault: ModelFault | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Answer to ``Reconfigure``: nothing has changed."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """Answer to ``Reconfigure``: what was said before concerns the old settings, what follows the new ones.

    ``opened`` are the cameras whose source is opened (again), ``loaded`` the models that were read from their files. ``paused_ms``
    is how long frames waited because an old and a new model did not fit into memory together.
    """

    opened: tuple[str, ...]
    loaded: tuple[str, ...]
    paused_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelServes:
    """A model passed its self-test and serves."""

    model_name: str
    bundle: str
    version: str
    digest: str
    runtime: str
    delegate: str
    delegate_nodes: int
    threads: int
    self_test_ms: float
    fallback: str
    """Why an accelerator that was wanted does not run it, else empty."""
    at_ns: int


@dataclass(frozen=True, slots=True)
class AcceleratorFailed:
    """The accelerator of a model cannot be used or failed; nothing follows."""

    model_name: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class CameraUp:
    """A camera delivered its first frame since it was opened, or its first of another size."""

    camera: str
    width: int
    height: int
    fps: float | None
    description: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class CameraDown:
    """A camera could not be opened, stopped delivering, or is silent for too long."""

    camera: str
    reason: str
    at_ns: int
    hint: str = ""
    """What to do about it, one sentence."""


@dataclass(frozen=True, slots=True)
class CameraEnded:
    """A recording was played to its end."""

    camera: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class LiveObject:
    """One tracked object as it is now; ``box`` in source pixels."""

    object_id: str
    label: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Live:
    """What one camera sees in one frame."""

    camera: str
    seq: int
    captured_ns: int
    media_s: float | None
    inference_ms: float
    objects: tuple[LiveObject, ...]


@dataclass(frozen=True, slots=True)
class CameraStats:
    """Counters of one camera since ``since_ns`` (CLOCK_MONOTONIC), when it was first opened by this process.

    ``*_cpu_ms`` is CPU time of all frames together. ``captured = inferred + dropped`` (replaced by a newer frame before inference)
    ``+ waiting``, where waiting is at most three: in the mailbox, prepared, and under inference.
    """

    camera: str
    captured: int
    dropped: int
    inferred: int
    tracks: int
    tracks_dropped: int
    live_unsent: int
    capture_cpu_ms: float
    prepare_cpu_ms: float
    decode_cpu_ms: float
    track_cpu_ms: float
    report_cpu_ms: float
    invoke_ms: float
    """Wall time of all inferences together."""
    invoke_cpu_ms: float
    """CPU time of the inference thread alone; with more threads the interpreter uses others besides."""
    age_ms: float
    """Capture to result of the last frame."""
    newest_age_ms: float | None = None
    """How old the newest captured frame is now, ``None`` before the first: grows while a camera is silent."""
    damaged: int = 0
    """Pictures that could not be decoded; not among ``captured``."""
    late: int = 0
    """Pictures that were too old to be worth anything when they came; not among ``captured``."""
    since_ns: int = 0
    decoded_age: Latency = NO_LATENCY
    """From capture until the picture is there, of every captured frame."""
    inferred_age: Latency = NO_LATENCY
    """From capture until the model's outputs are there, of every inferred frame."""
    reported_age: Latency = NO_LATENCY
    """From capture until its events are on their way to the main process, of every inferred frame."""
    invoke: Latency = NO_LATENCY
    """How long the interpreter took, of every inferred frame."""
    detections: int = 0
    """What the model saw in all frames together: boxes at or above the score from which they count."""
    not_finite: int = 0
    """Frames for which the model put out NaN or infinite numbers."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The heartbeat: sent once a second by the vision process while its own control loop runs."""

    cameras: tuple[CameraStats, ...]


ShadowEnd = Literal["", "done", "stopped", "no_room", "failed"]
"""Empty while it goes on; ``no_room``: it does not fit into memory beside the model that serves; ``failed``: it could not be
loaded, raised an error or hung, or the process died meanwhile."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a candidate in the shadow of a model agrees with it so far, over detections that count and ``frames`` that both saw.

    ``matched`` objects were seen by both, by label and place. Raises ValueError for numbers that cannot be.
    """

    model_name: str
    number: int
    digest: str
    """Of the candidate; empty before it is loaded."""
    frames: int
    skipped: int
    """Frames that were to be looked at and came while the candidate was busy."""
    matched: int
    only_serving: int
    only_candidate: int
    not_finite: int
    """Frames for which the candidate put out NaN or infinite numbers."""
    score_drift: float | None
    """By how much the candidate scores the matched objects higher, on average."""
    candidate_cpu_ms: float
    """CPU time of one inference, on one thread."""
    latency_ratio: float | None
    """CPU time of an inference by that of the model that serves, each on one thread; ``None`` where that could not be measured."""
    ended: ShadowEnd
    message: str
    """Why it ended, where there is more to say."""

    def __post_init__(self) -> None:
        counts = (self.frames, self.skipped, self.matched, self.only_serving, self.only_candidate, self.not_finite)
        numbers = (self.score_drift or 0.0, self.candidate_cpu_ms, self.latency_ratio or 0.0)
        if min(counts) < 0 or not all(map(math.isfinite, numbers)):
            raise ValueError("counts of an agreement are not negative, and its other numbers finite")


@dataclass(frozen=True, slots=True)
class Fault:
    """The vision process cannot do what it was told, and a restart would not mend it."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class BundlesChanged:
    """Models are not those that were tried any more, and nothing else is wrong: they are to be tried anew. Nothing follows."""

    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Every recording has ended, or ``Stop`` was obeyed; nothing follows."""


def no_agreement(order: Shadow, ended: ShadowEnd, message: str) -> Agreement:
    """What is said of an order for which no frame was compared."""
    nothing = dict.fromkeys(("frames", "skipped", "matched", "only_serving", "only_candidate", "not_finite"), 0)
    return Agreement(
        order.model_name,
        order.number,
        digest="",
        **nothing,
        score_drift=None,
        candidate_cpu_ms=0.0,
        latency_ratio=None,
        ended=ended,
        message=message,
    )


Report = (
    Reconfigured
    | Refused
    | ModelServes
    | AcceleratorFailed
    | CameraUp
    | CameraDown
    | CameraEnded
    | Live
    | Stats
    | Agreement
    | Fault
    | BundlesChanged
    | Finished
    | ObjectAppeared
    | ObjectLeft
)  # vision to main
Order = VisionSettings | Reconfigure | Shadow | StopShadow | Stop  # main to vision; the settings come first, once

Decoders = dict[bytes, msgspec.msgpack.Decoder[Any]]


def _decoders(*types: type) -> Decoders:
    return {cls.__name__.encode(): msgspec.msgpack.Decoder(cls, dec_hook=decode_path) for cls in types}


_ORDERS = _decoders(*get_args(Order))
_REPORTS = _decoders(*get_args(Report))

_encoder = msgspec.msgpack.Encoder(enc_hook=encode_path)


def encode(message: Report | Order) -> bytes:
    """The datagram for a message; raises ProtocolViolated if it is too large for one."""
    name = type(message).__name__
    datagram = name.encode() + b"\0" + _encoder.encode(message)
    if len(datagram) > MAX_MESSAGE_BYTES:
        raise ProtocolViolated(f"a {name} of {len(datagram)} bytes is larger than any should be ({MAX_MESSAGE_BYTES})")
    return datagram


def decode_order(datagram: bytes) -> Order:
    """What the main process said; raises ProtocolViolated for anything that it may not say."""
    return cast("Order", _decode(datagram, _ORDERS))


def decode_report(datagram: bytes) -> Report:
    """What the vision process said; raises ProtocolViolated for anything that it may not say."""
    return cast("Report", _decode(datagram, _REPORTS))


def _decode(datagram: bytes, decoders: Decoders) -> object:
    name, separator, body = datagram.partition(b"\0")
    decoder = decoders.get(name)
    if decoder is None or not separator:
        raise ProtocolViolated(f"unknown message {name[:40]!r} of {len(datagram)} bytes")
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolViolated(f"message {name.decode()} of {len(datagram)} bytes: {error}") from error


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends whose datagrams are neither lost nor torn."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
