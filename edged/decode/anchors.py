"""Anchors of detectors that predict relative to a fixed grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray


def cells(input_px: int, stride: int) -> int:
    """How many cells of ``stride`` px cover a side of ``input_px``: as many as a convolution with "same" padding gives."""
    return -(-input_px // stride)


def anchor_centres(input_px: int, strides: Sequence[int], per_layer: int) -> NDArray[np.float32]:
    """Centres x, y of all anchors, float32 (n, 2), normalised to a square input of ``input_px``.

    The scheme of MediaPipe's SsdAnchorsCalculator with a fixed anchor size and an offset of one half: layer by layer, row by
    row, cell by cell; layers of equal stride that follow each other share a grid, and each adds ``per_layer`` anchors a cell.
    """
    grids = []
    for stride, layers in groupby(strides):
        side = cells(input_px, stride)
        middle = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side)
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grids.append(np.stack([x, y], axis=-1).reshape(-1, 2).repeat(per_layer * len(list(layers)), axis=0))
    return np.concatenate(grids)
