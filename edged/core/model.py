"""What is known about a model besides its weights. Plain data: the main process holds it too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Parameter = bool | int | float | str | tuple[float, ...]
"""A decoder's parameter as a manifest can state it."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How a picture becomes the model's input.

    ``mean`` and ``std`` normalise 0..255 pixel values to what the network was trained on, ``(value - mean) / std``, one number or
    one a channel; a quantised input is then quantised by the tensor's own parameters. ``None`` leaves pixel values as they are.
    ``padding``, 0 (black) to 255, is the grey of what a letterbox puts around the picture: a pixel value, before all that.
    """

    resize: Literal["letterbox", "stretch"] = "stretch"
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    padding: int = 0


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """The decoder by its registered name, and its parameters."""

    name: str
    parameters: dict[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateSpec:
    """A tensor that a model hands on to itself: ``output`` of one inference is ``input`` of the camera's next.

    Each is a tensor's name, or its position among the model's inputs or outputs. All elements begin with ``initial``.
    """

    input: str | int
    output: str | int
    initial: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """A model as its manifest (``model.toml``) or its TFLite metadata describes it.

    ``files`` maps a variant (``cpu``, ``edgetpu``) to a file name beside the manifest; ``sha256`` the same variants to hex digests.
    ``labels[class_id]`` names a class; a missing or empty label shows as its number.
    """

    name: str
    version: str
    licence: str
    files: dict[str, str]
    sha256: dict[str, str]
    input: InputSpec
    decoder: DecoderSpec
    labels: tuple[str, ...] = ()
    description: str = ""
    states: tuple[StateSpec, ...] = ()

    def label(self, class_id: int) -> str:
        """The name of a class, or its number where the manifest has none."""
        if 0 <= class_id < len(self.labels) and self.labels[class_id]:
            return self.labels[class_id]
        return str(class_id)
