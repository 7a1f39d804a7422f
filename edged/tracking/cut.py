"""Notices that the picture as a whole changed: a camera that switches to night vision, lights, a new exposure.

For a second or two after that a detector may see nothing at all, and nobody left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 24, 32
"""So many pixels are compared, evenly spread: a few microseconds, whatever the size of the picture."""

CHANGED = 24
"""Grey levels by which a pixel has changed. Noise at night stays below it nearly everywhere."""

MOST = 0.5
"""The part of the pixels that must have changed. Something close by may cover as much: then objects leave a little later."""

MEMORY_NS = 1_000_000_000
"""How far back is compared, since an exposure is regulated over many frames."""

GREEN = 1
"""The channel that is nearest to brightness."""


class CutDetector:
    """Looks at the frames of one camera, in order."""

    def __init__(self) -> None:
        self._before: NDArray[np.int16] | None = None
        self._before_ns = 0

    def happened(self, image: NDArray[np.uint8], scene_ns: int) -> bool:
        """Whether most of ``image`` (uint8 (h, w, 3) BGR) at ``scene_ns`` is not what it was up to a second before."""
        height, width = image.shape[:2]
        rows, columns = max(1, height // ROWS), max(1, width // COLUMNS)
        now = image[rows // 2 :: rows, columns // 2 :: columns, GREEN][:ROWS, :COLUMNS].astype(np.int16)
        before = self._before
        cut = before is not None and (before.shape != now.shape or _changed(before, now))
        if before is None or cut or not 0 <= scene_ns - self._before_ns < MEMORY_NS:
            self._before, self._before_ns = now, scene_ns
        return cut


def _changed(before: NDArray[np.int16], now: NDArray[np.int16]) -> bool:
    return bool(np.count_nonzero(np.abs(now - before) > CHANGED) > MOST * now.size)
