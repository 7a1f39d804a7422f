from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.geometry import iou_matrix
from edged.decode.nms import blend, suppress


def random_boxes(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 1, (n, 2)), rng.uniform(0.1, 0.5, (n, 2))
    xyxy = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    return xyxy, rng.permutation(n).astype(np.float32) / max(1, n), rng.integers(0, 3, n).astype(np.int32)


def naive(xyxy: np.ndarray, score: np.ndarray, threshold: float) -> list[int]:
    overlap, kept = iou_matrix(xyxy, xyxy), []
    for candidate in sorted(range(len(score)), key=lambda k: -score[k]):
        if all(overlap[candidate, better] <= threshold for better in kept):
            kept.append(candidate)
    return kept


boxes = st.builds(random_boxes, st.integers(0, 10_000), st.integers(0, 40))


@given(boxes, st.floats(0.05, 0.95))
def test_suppress_keeps_what_the_definition_keeps(given_boxes: tuple[np.ndarray, ...], threshold: float) -> None:
    xyxy, score, _ = given_boxes
    assert suppress(xyxy, score, threshold).tolist() == naive(xyxy, score, threshold)


@given(boxes, st.floats(0.05, 0.95))
def test_classes_suppress_only_themselves(given_boxes: tuple[np.ndarray, ...], threshold: float) -> None:
    xyxy, score, class_id = given_boxes
    apart = [
        int(members[kept])
        for members in (np.flatnonzero(class_id == k) for k in range(3))
        for kept in naive(xyxy[members], score[members], threshold)
    ]
    kept = suppress(xyxy, score, threshold, class_id)
    assert sorted(kept.tolist()) == sorted(apart)
    assert (np.diff(score[kept]) <= 0).all()


@given(boxes, st.floats(0.0, 1.0))
def test_blend_stays_within_the_boxes_it_blends(given_boxes: tuple[np.ndarray, ...], threshold: float) -> None:
    xyxy, score, _ = given_boxes
    score = score + np.float32(0.01)
    blended, best = blend(xyxy, score, threshold)
    assert len(blended) == len(best) <= len(xyxy)
    assert (np.diff(best) <= 0).all()
    if len(xyxy):
        assert best[0] == score.max()
        assert (blended >= xyxy.min(axis=0) - 1e-6).all()
        assert (blended <= xyxy.max(axis=0) + 1e-6).all()


def test_blend_weighs_by_score_and_keeps_the_best_score() -> None:
    xyxy = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    blended, score = blend(xyxy, np.array([0.9, 0.6, 0.7], np.float32), 0.3)
    assert score.tolist() == pytest.approx([0.9, 0.7])
    assert blended[0].tolist() == pytest.approx([0.4, 0, 10.4, 10], abs=1e-5)
    assert blended[1].tolist() == [50, 50, 60, 60]


def test_a_box_joins_one_group_only() -> None:
    chain = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10]], np.float32)
    blended, score = blend(chain, np.array([0.9, 0.8, 0.7], np.float32), 0.3)
    assert len(score) == 2
    assert blended[1].tolist() == [10, 0, 20, 10]
