"""The anchors ("default boxes") that an SSD was trained on, worked out from its configuration.

A model without the post-processing operator rarely carries them. Two generators of TensorFlow's Object Detection API make those of
nearly every published SSD; the words are those of its configuration files (``anchor_generators/`` in
https://github.com/tensorflow/models/tree/master/research/object_detection). Anchors come layer by layer, row by row, cell by cell,
and are square in pixels at aspect ratio 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from edged.decode.anchors import cells

InputPx = tuple[int, int]
"""Height and width of the model's input in pixels."""

Sizes = list[list[tuple[float, float]]]
"""Width and height in pixels of each anchor of a cell, for each layer."""

LOWEST_LAYER = (0.1, 1.0)
"""Scale and aspect ratio of the small anchor of a reduced lowest layer."""


def ssd_sizes(
    input_px: InputPx,
    layers: int,
    *,
    min_scale: float,
    max_scale: float,
    aspect_ratios: Sequence[float],
    interpolated_scale_aspect_ratio: float,
    reduce_boxes_in_lowest_layer: bool,
) -> Sizes:
    """Sizes as in the SSD paper (Liu et al., ECCV 2016, section 2.2): scales rise evenly from layer to layer.

    Each layer has an anchor for each aspect ratio, and one of ``interpolated_scale_aspect_ratio`` between its scale and the next
    (0: none); the lowest layer may be reduced to three. MediaPipe's SsdAnchorsCalculator gives the same for a square input.
    """
    scales = [min_scale + (max_scale - min_scale) * layer / max(1, layers - 1) for layer in range(layers)] + [1.0]
    sizes = []
    for layer in range(layers):
        shapes = [(scales[layer], ratio) for ratio in aspect_ratios]
        if layer == 0 and reduce_boxes_in_lowest_layer:
            shapes = [LOWEST_LAYER, (scales[0], 2.0), (scales[0], 0.5)]
        elif interpolated_scale_aspect_ratio > 0:
            shapes.append((sqrt(scales[layer] * scales[layer + 1]), interpolated_scale_aspect_ratio))
        sizes.append([(min(input_px) * scale * sqrt(ratio), min(input_px) * scale / sqrt(ratio)) for scale, ratio in shapes])
    return sizes


def multiscale_sizes(
    strides: Sequence[int], *, anchor_scale: float, aspect_ratios: Sequence[float], scales_per_octave: int
) -> Sizes:
    """Sizes as in RetinaNet (Lin et al., ICCV 2017), for SSDs with a feature pyramid: multiples of the stride.

    Each cell has ``scales_per_octave`` anchors for each aspect ratio, from ``anchor_scale`` strides up to nearly twice that.
    """
    scales = [anchor_scale * 2 ** (step / scales_per_octave) for step in range(scales_per_octave)]
    return [
        [(stride * scale * sqrt(ratio), stride * scale / sqrt(ratio)) for ratio in aspect_ratios for scale in scales]
        for stride in strides
    ]


def anchor_count(input_px: InputPx, strides: Sequence[int], sizes: Sizes) -> int:
    """How many anchors ``place`` would make."""
    height, width = input_px
    return sum(cells(height, stride) * cells(width, stride) * len(layer) for stride, layer in zip(strides, sizes, strict=True))


def place(input_px: InputPx, strides: Sequence[int], sizes: Sizes, *, by_stride: bool) -> NDArray[np.float32]:
    """Anchors float32 (n, 4): centre x, centre y, width, height, normalised to the input.

    Centres divide the picture evenly, or, ``by_stride``, lie a stride apart, where a side that is no multiple of the stride has
    its first centre on the edge: so multiscale networks were trained.
    """
    grids = []
    for stride, layer in zip(strides, sizes, strict=True):
        y, x = (_centres(px, stride, by_stride) for px in input_px)
        anchors = np.empty((len(y), len(x), len(layer), 4), np.float32)
        anchors[..., 0], anchors[..., 1] = x[None, :, None], y[:, None, None]
        anchors[..., 2:] = np.array(layer) / input_px[::-1]
        grids.append(anchors.reshape(-1, 4))
    return np.concatenate(grids)


def _centres(px: int, stride: int, by_stride: bool) -> NDArray[np.float64]:
    count = np.arange(cells(px, stride), dtype=np.float64)
    first, step = (0 if px % stride else 0.5, stride / px) if by_stride else (0.5, 1 / len(count))
    return (count + first) * np.float64(step)
