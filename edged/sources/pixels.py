"""What sources deliver, as the one layout that everything behind them expects."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edged.core.cv import cv2
from edged.core.errors import SourceUnusable

Image = NDArray[np.uint8]
"""uint8 (height, width, 3), BGR."""

CONVERSIONS = {1: cv2.COLOR_GRAY2BGR, 4: cv2.COLOR_BGRA2BGR}
"""By the number of channels."""


def as_bgr(pixels: NDArray[Any]) -> Image:
    """``pixels`` themselves if they are an ``Image``, else one made of them: a camera that switches to night vision may turn grey.

    Grey is (h, w) or (h, w, 1), four channels are BGRA; of 16 bits the upper 8 are kept. Raises SourceUnusable for anything else.
    """
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size:
        return pixels
    channels = 1 if pixels.ndim == 2 else pixels.shape[2] if pixels.ndim == 3 else 0
    if channels not in {1, 3, 4} or pixels.dtype not in (np.uint8, np.uint16) or not pixels.size:
        raise SourceUnusable(
            f"a frame of {pixels.dtype} {pixels.shape} is no picture", hint="expected 8 or 16 bits and 1, 3 or 4 channels"
        )
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return pixels if channels == 3 else cast(Image, cv2.cvtColor(pixels, CONVERSIONS[channels]))
