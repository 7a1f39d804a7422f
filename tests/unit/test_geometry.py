from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edged.core.geometry import iou_matrix


@st.composite
def boxes(draw: st.DrawFn) -> np.ndarray:
    corner = draw(hnp.arrays(np.float32, st.tuples(st.integers(0, 6), st.just(2)), elements=st.integers(-50, 50)))
    size = draw(hnp.arrays(np.float32, corner.shape, elements=st.integers(0, 60)))
    return np.concatenate([corner, corner + size], axis=1)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return float(width * height / union) if union > 0 else 0.0


@given(boxes(), boxes())
def test_each_pair_is_its_own_iou(a: np.ndarray, b: np.ndarray) -> None:
    result = iou_matrix(a, b)
    assert result.dtype == np.float32
    assert result.shape == (len(a), len(b))
    np.testing.assert_allclose(result, np.array([[iou(x, y) for y in b] for x in a]).reshape(result.shape), atol=1e-6)


@given(boxes(), boxes(), st.integers(0, 40))
def test_growing_is_the_iou_of_boxes_grown_by_hand(a: np.ndarray, b: np.ndarray, px: int) -> None:
    outward = np.array([-px, -px, px, px], np.float32)
    np.testing.assert_allclose(iou_matrix(a, b, np.full(len(a), px, np.float32)), iou_matrix(a + outward, b + outward), atol=1e-6)


def test_growth_belongs_to_the_row() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    b = np.array([[20, 0, 30, 10]], np.float32)
    assert iou_matrix(a, b, np.array([0, 10], np.float32)).ravel() == pytest.approx([0, 1 / 5])
