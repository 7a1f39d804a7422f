from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edged.core.geometry import iou_matrix
from edged.decode.nms import BLOCK, Softening, blend, soften, suppress


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


boxes = st.builds(random_boxes, st.integers(0, 10_000), st.integers(0, 40) | st.integers(BLOCK - 1, 3 * BLOCK))


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
    kept = suppress(xyxy, score, threshold, class_id * 20_000)
    assert sorted(kept.tolist()) == sorted(apart)
    assert (np.diff(score[kept]) <= 0).all()


@given(boxes, st.floats(0.0, 1.0), st.booleans())
def test_what_is_kept_does_not_overlap_and_is_kept_again(
    given_boxes: tuple[np.ndarray, ...], threshold: float, by_class: bool
) -> None:
    xyxy, score, class_id = given_boxes
    kept = suppress(xyxy, score, threshold, class_id if by_class else None)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(score[kept]) <= 0).all()
    overlap = iou_matrix(xyxy[kept], xyxy[kept])
    rivals = (class_id[kept][:, None] == class_id[kept]) if by_class else np.ones_like(overlap, bool)
    np.fill_diagonal(rivals, val=False)
    assert (overlap[rivals] <= threshold).all()
    again = suppress(xyxy[kept], score[kept], threshold, class_id[kept] if by_class else None)
    assert again.tolist() == list(range(len(kept)))


@given(boxes, st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_the_order_of_the_boxes_does_not_matter(given_boxes: tuple[np.ndarray, ...], threshold: float, seed: int) -> None:
    xyxy, score, class_id = given_boxes
    order = np.random.default_rng(seed).permutation(len(score))
    shuffled = suppress(xyxy[order], score[order], threshold, class_id[order])
    assert order[shuffled].tolist() == suppress(xyxy, score, threshold, class_id).tolist()


@given(boxes, st.floats(0.05, 0.95), st.integers(1, 100))
def test_a_limit_keeps_the_best(given_boxes: tuple[np.ndarray, ...], threshold: float, limit: int) -> None:
    xyxy, score, class_id = given_boxes
    assert suppress(xyxy, score, threshold, class_id, limit).tolist() == suppress(xyxy, score, threshold, class_id).tolist()[:limit]


def naive_soften(
    xyxy: np.ndarray, score: np.ndarray, method: str, least: float, iou: float, sigma: float, class_id: np.ndarray
) -> list[tuple[int, float]]:
    """The pseudo-code of the paper, box by box."""
    overlap, scores, kept = iou_matrix(xyxy, xyxy).tolist(), dict(enumerate(score.tolist())), []
    while scores := {k: s for k, s in scores.items() if s >= least}:
        best = max(scores, key=lambda k: (scores[k], -k))
        kept.append((best, scores.pop(best)))
        for k in scores:
            if class_id[k] == class_id[best]:
                o = overlap[best][k]
                scores[k] *= np.exp(-o * o / sigma) if method == "gaussian" else (1 - o if o > iou else 1)
    return kept


@given(boxes, st.sampled_from(["linear", "gaussian"]), st.floats(0.1, 0.9), st.floats(0.1, 2))
def test_soft_suppression_is_the_formula_of_the_paper(
    given_boxes: tuple[np.ndarray, ...], method: Softening, iou: float, sigma: float
) -> None:
    xyxy, score, class_id = given_boxes
    kept, lowered = soften(xyxy, score, method, score_threshold=0.05, iou_threshold=iou, sigma=sigma, class_id=class_id)
    expected = naive_soften(xyxy, score, method, 0.05, iou, sigma, class_id)
    assume(all(abs(s - 0.05) > 1e-4 for _, s in expected))  # what rounding decides is not asked
    assume(all(abs(a[1] - b[1]) > 1e-5 for a, b in pairwise(expected)))
    assert kept.tolist() == [k for k, _ in expected]
    assert lowered.tolist() == pytest.approx([s for _, s in expected], abs=1e-4)
    assert (np.diff(lowered) <= 0).all()


def test_soft_suppression_lowers_a_score_instead_of_losing_the_box() -> None:
    xyxy = np.array([[0, 0, 10, 10], [0, 0, 10, 6], [20, 20, 30, 30]], np.float32)
    score = np.array([0.9, 0.8, 0.7], np.float32)
    kept, lowered = soften(xyxy, score, "linear", score_threshold=0.1, iou_threshold=0.5, sigma=0.5)
    assert kept.tolist() == [0, 2, 1]
    assert lowered.tolist() == pytest.approx([0.9, 0.7, 0.8 * 0.4])
    kept, lowered = soften(xyxy, score, "gaussian", score_threshold=0.1, iou_threshold=0.5, sigma=0.5, limit=2)
    assert kept.tolist() == [0, 2]
    assert score.tolist() == pytest.approx([0.9, 0.8, 0.7])


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
