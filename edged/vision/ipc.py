"""What the main process and the vision process say to each other.

Free of numpy. How it is said: ``datagrams.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edged.core.errors import ModelFault
from edged.core.event import ObjectAppeared, ObjectLeft
from edged.core.track import Box
from edged.infer.settings import ModelSettings
from edged.vision.counters import CameraStats
from edged.vision.settings import VisionSettings


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
