"""A picture and where it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One captured picture.

    ``seq`` counts the frames that the source delivered, from 0, without gaps. ``captured_ns`` is CLOCK_MONOTONIC at capture,
    as close to the sensor as the source can tell. ``media_ns`` is the position in a recording, ``None`` for a live camera.
    ``image`` is uint8 (height, width, 3) in BGR order, turned, cropped and masked as its camera is set to, not to be written to;
    "source-frame pixels" are its pixels.
    """

    camera: str
    seq: int
    captured_ns: int
    image: NDArray[np.uint8]
    media_ns: int | None = None

    @property
    def scene_ns(self) -> int:
        """Nanoseconds on the clock of the scene: the recording's if there is one, else CLOCK_MONOTONIC."""
        return self.captured_ns if self.media_ns is None else self.media_ns

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.image.shape[0])
