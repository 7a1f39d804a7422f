"""Corner offsets on given anchors, against boxes worked out by hand, and against noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry

INPUT = [TensorSpec("in", (1, 256, 256, 3), "uint8")]


def outputs_of(scores: np.ndarray, offsets: np.ndarray, anchors: np.ndarray) -> list[RawOutput]:
    arrays = [np.asarray(array, np.float32)[None] for array in (scores, offsets, anchors)]
    return [RawOutput(TensorSpec(str(n), array.shape, "float32"), array) for n, array in enumerate(arrays)]


def decode(outputs: list[RawOutput], order: str = "scores,offsets,anchors", **parameters: float) -> Detections:
    spec = DecoderSpec("ssd_corners", {"output_order": order, **parameters})
    return registry.build(spec, INPUT, [output.spec for output in outputs])(outputs)


SCORES = [[0.1, 0.9, 0.0], [0.2, 0.1, 0.7], [0.9, 0.1, 0.0], [0.3, 0.3, 0.4]]
ANCHORS = [[0.1, 0.2, 0.3, 0.6], [0.5, 0.5, 0.7, 0.9], [0, 0, 1, 1], [0.8, 0.8, 0.9, 0.9]]
OFFSETS = [[0.5, 0.25, 0, -0.25], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_corners_move_by_shares_of_the_anchors_size(order: tuple[int, ...]) -> None:
    outputs = outputs_of(np.array(SCORES), np.array(OFFSETS), np.array(ANCHORS))
    roles = ("scores", "offsets", "anchors")
    found = decode([outputs[n] for n in order], ",".join(roles[n] for n in order))
    assert found.class_id.tolist() == [1, 2]
    assert found.score.tolist() == pytest.approx([0.9, 0.7])
    assert np.allclose(found.xyxy, [[0.2, 0.3, 0.3, 0.5], [0.5, 0.5, 0.7, 0.9]])


def test_weaker_box_of_the_same_class_is_suppressed_and_one_of_another_class_is_not() -> None:
    scores = [[0, 0.9, 0], [0, 0.8, 0], [0, 0, 0.7]]
    outputs = outputs_of(np.array(scores), np.zeros((3, 4)), np.array([[0.1, 0.1, 0.5, 0.5]] * 3))
    assert decode(outputs).class_id.tolist() == [1, 2]
    assert len(decode(outputs, iou_threshold=1.0)) == 3


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 1e30, np.inf, np.nan]))
def test_any_numbers_decode_to_sane_detections(seed: int, extreme: float) -> None:
    random = np.random.default_rng(seed)
    arrays = [random.normal(size=(50, n)) for n in (3, 4, 4)]
    for array in arrays:
        array[random.random(array.shape) < 0.1] = extreme
    found = decode(outputs_of(*arrays), score_threshold=0.1)
    assert np.isfinite(found.xyxy).all()
    assert (found.xyxy[:, :2] < found.xyxy[:, 2:]).all()
    assert ((found.score >= 0.1) & (found.score <= 1)).all()
    assert np.isin(found.class_id, [1, 2]).all()


@pytest.mark.parametrize(
    ("order", "says"),
    [("", "is ''"), ("scores,anchors", "'scores,anchors'"), ("anchors,scores,offsets", "expects scores")],
)
def test_model_that_is_not_told_apart_is_refused(order: str, says: str) -> None:
    with pytest.raises(ModelRejected, match=says):
        decode(outputs_of(np.array(SCORES), np.array(OFFSETS), np.array(ANCHORS)), order)


def test_proposal_says_what_it_cannot_know() -> None:
    specs = [TensorSpec("a", (1, 9, 4), "float32"), TensorSpec("b", (1, 9, 81), "float32"), TensorSpec("c", (1, 9, 4), "float32")]
    proposal = registry.propose(INPUT, specs, ())
    assert proposal.name == "ssd_corners"
    assert proposal.parameters == {"output_order": "offsets,scores,anchors"}
    assert "other way round" in proposal.why
