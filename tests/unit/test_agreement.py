"""Two detectors are compared: what is counted adds up, whatever they see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.detections import Detections
from edged.core.geometry import iou_matrix
from edged.tracking.agreement import SAME_IOU, Agreement, compare, match

Box = tuple[int, int, int, int, int, float]

boxes = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2), st.floats(0.1, 1)),
    max_size=12,
)


def detections(found: list[Box]) -> Detections:
    xyxy = np.array([[x, y, x + w, y + h] for x, y, w, h, _, _ in found], np.float32).reshape(-1, 4)
    return Detections(xyxy, np.array([it[5] for it in found], np.float32), np.array([it[4] for it in found], np.int32))


@given(boxes, boxes)
def test_every_object_is_counted_once_and_pairs_are_of_one_class_and_place(ours: list[Box], theirs: list[Box]) -> None:
    serving, candidate = detections(ours), detections(theirs)
    agreement, (rows, columns) = compare(serving, candidate), match(serving, candidate)
    assert agreement.frames == 1
    assert agreement.matched + agreement.only_serving == len(ours)
    assert agreement.matched + agreement.only_candidate == len(theirs)
    assert len(set(rows)) == len(set(columns)) == agreement.matched
    assert (serving.class_id[rows] == candidate.class_id[columns]).all()
    assert (iou_matrix(serving.xyxy, candidate.xyxy)[rows, columns] > SAME_IOU - 1e-6).all()
    assert agreement.drift == pytest.approx(float((candidate.score[columns] - serving.score[rows]).sum()), abs=1e-4)


@given(boxes, st.randoms())
def test_a_detector_agrees_with_itself_in_any_order(ours: list[Box], random: object) -> None:
    shuffled = list(ours)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    agreement = compare(detections(ours), detections(shuffled))
    assert (agreement.matched, agreement.only_serving, agreement.only_candidate) == (len(ours), 0, 0)
    assert agreement.drift == pytest.approx(0, abs=1e-4)


@given(boxes, boxes)
def test_exchanging_the_two_exchanges_what_is_said(ours: list[Box], theirs: list[Box]) -> None:
    there, back = compare(detections(ours), detections(theirs)), compare(detections(theirs), detections(ours))
    assert there.matched - there.only_serving - there.only_candidate == 3 * there.matched - len(ours) - len(theirs)
    overlap = [
        float(iou_matrix(a.xyxy, b.xyxy)[match(a, b)].sum() - SAME_IOU * len(match(a, b)[0]))
        for a, b in ((detections(ours), detections(theirs)), (detections(theirs), detections(ours)))
    ]
    assert overlap[0] == pytest.approx(overlap[1], abs=1e-3)  # where pairings are equally good, either may be found
    assert (back.matched + back.only_serving, back.matched + back.only_candidate) == (len(theirs), len(ours))


@given(boxes)
def test_other_classes_and_other_places_are_never_the_same(ours: list[Box]) -> None:
    moved = [(x + 1000, y, w, h, c, s) for x, y, w, h, c, s in ours]
    renamed = [(x, y, w, h, c + 3, s) for x, y, w, h, c, s in ours]
    for theirs in (moved, renamed, []):
        assert compare(detections(ours), detections(theirs)) == Agreement(1, 0, len(ours), len(theirs), 0.0)


@given(st.lists(st.tuples(boxes, boxes), max_size=5))
def test_agreements_add_up(frames: list[tuple[list[Box], list[Box]]]) -> None:
    parts = [compare(detections(ours), detections(theirs)) for ours, theirs in frames]
    total = sum(parts, Agreement())
    assert (total.frames, total.matched) == (len(frames), sum(part.matched for part in parts))
    assert total.only_serving == sum(part.only_serving for part in parts)
    assert total.drift == pytest.approx(math.fsum(part.drift for part in parts), abs=1e-9)
