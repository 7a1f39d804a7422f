"""Privacy masks as pixels.

Rule: a mask may hide a pixel too many, never one too few.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edged.core.cv import cv2
from edged.sources.picture_settings import Polygon
from edged.sources.pixels import Image

SUBPIXEL_BITS = 4
"""Corners are placed to 1/16 px."""

Rectangle = tuple[int, int, int, int]
"""left, top, right, bottom in px, the last two exclusive."""


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """A mask within the shown picture: ``keep``, uint8 (height, width, 3), is 0 where pixels are hidden and 255 elsewhere."""

    left: int
    top: int
    keep: Image

    def hide(self, image: Image) -> None:
        """Blacken the pixels of ``image``, which is written to."""
        rows, columns = self.keep.shape[:2]
        area = image[self.top : self.top + rows, self.left : self.left + columns]
        cv2.bitwise_and(area, self.keep, dst=area)


def cover_of(mask: Polygon, width: int, height: int, shown: Rectangle) -> Cover | None:
    """``mask`` on the part ``shown`` of an upright picture of ``width`` x ``height`` px; ``None`` if it reaches nothing of it.

    The part is drawn with one pixel around it, since a pixel is hidden if the polygon comes as near as the next one.
    """
    left, top, right, bottom = shown
    columns = _touched((x * width for x, _ in mask), left, right)
    rows = _touched((y * height for _, y in mask), top, bottom)
    if columns is None or rows is None:
        return None
    (x0, x1), (y0, y1) = columns, rows
    # A pixel's number is the place of its middle in OpenCV, of its edge here: hence the half.
    scale = 1 << SUBPIXEL_BITS
    corners = [[round((x * width - 0.5 - x0 + 1) * scale), round((y * height - 0.5 - y0 + 1) * scale)] for x, y in mask]
    drawn = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.uint8)
    cv2.fillPoly(drawn, [np.array(corners, np.int32)], 255, shift=SUBPIXEL_BITS)
    hidden = cv2.dilate(drawn, np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    return Cover(x0 - left, y0 - top, np.repeat(255 - hidden[:, :, None], 3, axis=2).astype(np.uint8))


def _touched(places: Iterable[float], low: int, high: int) -> tuple[int, int] | None:
    """The pixels from ``low`` up to ``high`` that lie between the least and the greatest of ``places``, one more on both sides."""
    found = list(places)
    first, last = max(low, math.floor(min(found)) - 1), min(high, math.ceil(max(found)) + 1)
    return (first, last) if first < last else None
