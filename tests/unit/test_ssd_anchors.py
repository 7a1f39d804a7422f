"""Generated anchors, against the generators of TensorFlow's Object Detection API written out as loops."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.decode.ssd_anchors import anchor_count, multiscale_sizes, place, ssd_sizes

SIDES = st.tuples(st.integers(16, 400), st.integers(16, 400))
STRIDES = st.lists(st.integers(4, 512), min_size=1, max_size=5)
RATIOS = st.lists(st.floats(0.2, 5), min_size=1, max_size=4)


@settings(max_examples=60)
@given(SIDES, STRIDES, RATIOS, st.floats(0.05, 0.5), st.floats(0.5, 1), st.sampled_from([0.0, 1.0, 2.0]), st.booleans())
def test_ssd_anchors_are_those_of_the_paper(
    side: tuple[int, int], strides: list[int], ratios: list[float], low: float, high: float, extra: float, reduced: bool
) -> None:
    height, width = side
    expected = []
    for layer, stride in enumerate(strides):

        def scale_of(n: int) -> float:
            return 1.0 if n == len(strides) else low + (high - low) * n / max(1, len(strides) - 1)

        if layer == 0 and reduced:
            shapes = [(0.1, 1.0), (scale_of(0), 2.0), (scale_of(0), 0.5)]
        else:
            shapes = [(scale_of(layer), ratio) for ratio in ratios]
            shapes += [(sqrt(scale_of(layer) * scale_of(layer + 1)), extra)] if extra else []
        rows, columns = ceil(height / stride), ceil(width / stride)
        for row in range(rows):
            for column in range(columns):
                for scale, ratio in shapes:
                    w, h = scale * sqrt(ratio) * min(side) / width, scale / sqrt(ratio) * min(side) / height
                    expected.append(((column + 0.5) / columns, (row + 0.5) / rows, w, h))
    sizes = ssd_sizes(
        side,
        len(strides),
        min_scale=low,
        max_scale=high,
        aspect_ratios=ratios,
        interpolated_scale_aspect_ratio=extra,
        reduce_boxes_in_lowest_layer=reduced,
    )
    anchors = place(side, strides, sizes, by_stride=False)
    assert anchors.dtype == np.float32
    assert len(anchors) == anchor_count(side, strides, sizes)
    np.testing.assert_allclose(anchors, expected, rtol=1e-5)


@settings(max_examples=60)
@given(SIDES, RATIOS, st.floats(1, 8), st.integers(1, 3), st.integers(3, 5))
def test_multiscale_anchors_are_those_of_retinanet(
    side: tuple[int, int], ratios: list[float], anchor_scale: float, octave: int, lowest: int
) -> None:
    height, width = side
    expected = []
    for level in range(lowest, 8):
        stride = 2**level
        offset_y, offset_x = (stride / 2 if px % stride == 0 else 0 for px in side)
        for row in range(ceil(height / stride)):
            for column in range(ceil(width / stride)):
                for ratio in ratios:
                    for step in range(octave):
                        px = stride * anchor_scale * 2 ** (step / octave)
                        y, x = row * stride + offset_y, column * stride + offset_x
                        expected.append((x / width, y / height, px * sqrt(ratio) / width, px / sqrt(ratio) / height))
    strides = [2**level for level in range(lowest, 8)]
    sizes = multiscale_sizes(strides, anchor_scale=anchor_scale, aspect_ratios=ratios, scales_per_octave=octave)
    anchors = place(side, strides, sizes, by_stride=True)
    assert len(anchors) == anchor_count(side, strides, sizes)
    np.testing.assert_allclose(anchors, expected, rtol=1e-5)
