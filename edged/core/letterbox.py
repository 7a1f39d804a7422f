"""Where a source picture lies inside a model's input, and the way back for boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edged.core.detections import Detections

Resize = Literal["letterbox", "stretch"]


@dataclass(frozen=True, slots=True, eq=False)
class Letterbox:
    """A source of ``source_width`` x ``source_height`` px scaled to ``width`` x ``height`` px at (``left``, ``top``) of the input.

    With ``stretch`` the picture fills the input and its aspect ratio is lost; with ``letterbox`` the ratio is kept, the picture
    is centred and the rest is padding.
    """

    source_width: int
    source_height: int
    input_width: int
    input_height: int
    left: int
    top: int
    width: int
    height: int
    # A box's way back is ``box * scale + shift``, worked out once: a placement serves every frame of a camera.
    _scale: NDArray[np.float32] = field(init=False, repr=False)
    _shift: NDArray[np.float32] = field(init=False, repr=False)
    _limit: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        x, y = self.source_width / self.width, self.source_height / self.height
        object.__setattr__(self, "_scale", np.array([x * self.input_width, y * self.input_height] * 2, np.float32))
        object.__setattr__(self, "_shift", np.array([-x * self.left, -y * self.top] * 2, np.float32))
        object.__setattr__(self, "_limit", np.array([self.source_width, self.source_height] * 2, np.float32))

    @classmethod
    def fit(cls, source: tuple[int, int], target: tuple[int, int], resize: Resize) -> Letterbox:
        """Place ``source`` (width, height) px into ``target`` (width, height) px."""
        (sw, sh), (tw, th) = source, target
        if min(sw, sh, tw, th) < 1:
            raise ValueError(f"sizes must be positive: source {source}, target {target}")
        if resize == "stretch":
            return cls(sw, sh, tw, th, 0, 0, tw, th)
        scale = min(tw / sw, th / sh)
        width, height = max(1, round(sw * scale)), max(1, round(sh * scale))
        return cls(sw, sh, tw, th, (tw - width) // 2, (th - height) // 2, width, height)

    def in_source(self, found: Detections) -> Detections:
        """``found`` by a decoder, in source pixels; what has no area within the picture is left out.

        A network sees the padding too, and finds things there; clipped to the picture they are lines on its edge. However little
        of a box lies within, it stays: an object that enters begins so, and what share of it is enough nobody knows here.
        """
        xyxy = self.to_source(found.xyxy)
        within: NDArray[np.bool_] = (xyxy[:, 0] < xyxy[:, 2]) & (xyxy[:, 1] < xyxy[:, 3])
        moved = Detections(xyxy, found.score, found.class_id)
        return moved if within.all() else moved.take(within)

    def to_source(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (n, 4), normalised to the input, as source pixels (n, 4), clipped to the picture."""
        boxes: NDArray[np.float32] = xyxy * self._scale + self._shift
        return np.minimum(np.maximum(boxes, np.float32(0), out=boxes), self._limit, out=boxes)
