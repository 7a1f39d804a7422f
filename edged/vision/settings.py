"""What the vision process needs to know, and nothing else. Free of numpy: the main process writes it."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le, MinLen

from edged.core.settings import settings
from edged.infer.settings import ModelSettings
from edged.sources.settings import SourceSettings
from edged.tracking.settings import TrackerSettings


@settings
class CameraSettings(SourceSettings):
    """One camera: its source (the inherited fields), and what is done with its frames."""

    model: Annotated[str, MinLen(1)]
    """The name of the model that looks at it, one of ``[models.NAME]``."""

    labels: tuple[Annotated[str, MinLen(1)], ...] = ()
    """Follow objects of these labels only; empty follows whatever the model knows."""

    required: bool = True
    """Whether the daemon counts as ready only once a frame of it was inferred, and ends if nothing can mend the camera."""

    annotated: Path | None = None
    """Write every inferred frame, with its boxes drawn, into this video file (.mp4 or .avi). For looking, not for keeping: it grows
    for as long as the camera runs, and is begun anew when the vision process is started again."""

    live_max_hz: Annotated[float, Ge(0), Le(100)] = 5.0
    """At most so many live reports a second about what is seen now; 0 sends none. Events are not bound by it."""


AFTER_CAPTURE = ("model", "labels", "required", "annotated", "live_max_hz")
"""Fields of ``CameraSettings`` that say what is done with a frame; the others say how it is captured."""


def same_capture(one: CameraSettings, other: CameraSettings) -> bool:
    """Whether a camera that runs by ``one`` need not be opened again for ``other``."""
    return dataclasses.replace(one, **{name: getattr(other, name) for name in AFTER_CAPTURE}) == other


@settings
class VisionSettings:
    """The whole configuration of the vision process. Crosses to it as msgpack, with the hooks below."""

    cameras: dict[str, CameraSettings]
    """By name."""

    models: dict[str, ModelSettings]
    """By name; every model that a camera names is here."""

    tracking: TrackerSettings
    """For all cameras."""

    identities: dict[str, str]
    """By name of a model: the identity of the bundle that passed its probe. A bundle of another is not loaded."""

    run: str
    """Drawn anew at each start of the vision process and each change of its settings; makes the ids of tracked objects unique over
    both."""

    memory_bytes: dict[str, int] = field(default_factory=dict)
    """By name of a model: the most memory that its probe was seen to take."""

    avoid: dict[str, str] = field(default_factory=dict)
    """Models that are not to be tried on an accelerator now, each with the reason."""

    root: Path = Path("/")
    """Where /sys and /dev are, which show the accelerators."""

    @property
    def used_models(self) -> dict[str, ModelSettings]:
        """Of ``models`` those that a camera uses, by name."""
        return {name: self.models[name] for name in sorted({camera.model for camera in self.cameras.values()})}


def encode_path(value: object) -> str:
    """``enc_hook`` for msgspec, which knows no paths; raises TypeError for anything else."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a settings record cannot hold {type(value).__name__}")


def decode_path(expected: type, value: object) -> Path:
    """``dec_hook`` for msgspec; raises TypeError, which msgspec turns into a ValidationError with the place."""
    if expected is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected {expected.__name__}, got {type(value).__name__}")
