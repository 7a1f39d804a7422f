"""Where a source picture lies inside a model's input, and the way back for boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Resize = Literal["letterbox", "stretch"]


@dataclass(frozen=True, slots=True)
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

    def to_source(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (n, 4), normalised to the input, as source pixels (n, 4), clipped to the picture."""
        to_px = np.array([self.input_width, self.input_height] * 2, np.float32)
        offset = np.array([self.left, self.top] * 2, np.float32)
        ratio = np.array([self.source_width / self.width, self.source_height / self.height] * 2, np.float32)
        limit = np.array([self.source_width, self.source_height] * 2, np.float32)
        clipped: NDArray[np.float32] = np.clip((xyxy * to_px - offset) * ratio, np.float32(0), limit)
        return clipped
