"""What can be said about a model to run. Free of numpy: the main process reads it too."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from edged.core.settings import settings

Delegate = Literal["auto", "xnnpack", "none"]
"""Who executes the operators: the best that is there, XNNPACK, or the interpreter's own reference kernels."""


@settings
class ModelSettings:
    """One model, under a name that cameras refer to."""

    bundle: Annotated[str, MinLen(1)]
    """A bundle directory, a .tflite file (both with a "/" or ending in .tflite), or the name of a model in the catalogue."""

    threads: Annotated[int, Ge(1), Le(64)] | None = None
    """Threads for one inference; unset takes what suits the number of CPUs."""

    delegate: Delegate = "auto"
    """Who executes the operators."""

    score_threshold: Annotated[float, Gt(0), Le(1)] | None = None
    """Detections below this score are not seen; unset takes what the model's manifest says."""

    label_thresholds: dict[str, Annotated[float, Gt(0), Le(1)]] = field(default_factory=dict)
    """The same for single labels, such as `{ person = 0.4, bird = 0.7 }`."""


def is_path(bundle: str) -> bool:
    """Whether ``ModelSettings.bundle`` names something on disk and not in the catalogue."""
    return "/" in bundle or bundle.endswith(".tflite")
