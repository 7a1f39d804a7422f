"""Raw SSD heads, against boxes worked out by hand, a reference that loops, and noise."""

from __future__ import annotations

import itertools
from math import exp

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.geometry import iou_matrix
from edged.core.model import DecoderSpec, Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry
from edged.decode.softmax import softmax

INPUT = [TensorSpec("in", (1, 300, 300, 3), "uint8")]
FOUR = (0.5, 0.5, 0.2, 0.4, 0.25, 0.25, 0.1, 0.1, 0.5, 0.5, 0.2, 0.4, 0.75, 0.75, 0.1, 0.1)
"""Four anchors as y, x, h, w; the first and the third are the same."""


def output(array: object, name: str = "o", dtype: str = "float32", scale: float = 0.0, zero_point: int = 0) -> RawOutput:
    data = np.asarray(array, dtype)[None]
    return RawOutput(TensorSpec(name, data.shape, dtype, scale, zero_point), data)


def decode(outputs: list[RawOutput], **parameters: Parameter) -> Detections:
    return registry.build(DecoderSpec("ssd_heads", parameters), INPUT, [o.spec for o in outputs])(outputs)


def boxes_of(offsets: object = ((0, 0, 0, 0),) * 4) -> RawOutput:
    return output(offsets, "boxes")


SCORES = ((0.1, 0.9, 0.0), (0.2, 0.1, 0.7), (0.9, 0.1, 0.6), (0.3, 0.3, 0.4))


def test_a_box_is_its_anchor_moved_and_stretched() -> None:
    boxes = boxes_of(((5, -10, 5, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)))
    found = decode([boxes, output(SCORES)], anchors=FOUR)
    assert found.class_id.tolist() == [1, 2, 2]
    assert found.score.tolist() == pytest.approx([0.9, 0.7, 0.6])
    y, x, h, w = 0.5 + 0.5 * 0.2, 0.5 - 0.4, 0.2 * exp(1), 0.4
    assert found.xyxy[0].tolist() == pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    assert found.xyxy[1].tolist() == pytest.approx([0.2, 0.2, 0.3, 0.3])


def test_the_order_within_a_box_and_its_scales_are_stated() -> None:
    boxes = boxes_of(((1, 0, 0, 2), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)))
    found = decode([boxes, output(SCORES)], anchors=FOUR, box_order="xywh", centre_scale=1.0, size_scale=2)
    x, y, w, h = 0.5 + 0.2, 0.5, 0.2, 0.4 * exp(1)
    assert found.xyxy[0].tolist() == pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


@pytest.mark.parametrize(
    ("parameters", "classes"),
    [
        ({}, [1, 2, 2]),
        ({"label_offset": -1}, [0, 1, 1]),
        ({"background": False, "score_threshold": 0.65}, [1, 0, 2]),
        ({"background": False, "score_threshold": 0.65, "label_offset": -1}, [0, 1]),
    ],
)
def test_the_background_is_no_object_and_labels_may_begin_behind_it(parameters: dict[str, Parameter], classes: list[int]) -> None:
    assert decode([boxes_of(), output(SCORES)], anchors=FOUR, **parameters).class_id.tolist() == classes


def test_classes_suppress_each_other_only_where_that_is_stated() -> None:
    outputs = [boxes_of(), output(SCORES)]
    assert decode(outputs, anchors=FOUR, class_agnostic=True).class_id.tolist() == [1, 2]
    assert len(decode(outputs, anchors=FOUR)) == 3


@pytest.mark.parametrize("order", list(itertools.permutations(("boxes", "scores", "anchors"))))
def test_anchors_may_come_out_of_the_model(order: tuple[str, ...]) -> None:
    anchors = np.array(FOUR).reshape(-1, 4)
    whole = {"boxes": boxes_of(((1, 2, 3, 4),) * 4), "scores": output(SCORES), "anchors": output(anchors)}
    found = decode([whole[role] for role in order], output_order=",".join(order))
    expected = decode([whole["boxes"], whole["scores"]], anchors=FOUR)
    np.testing.assert_allclose(found.xyxy, expected.xyxy, rtol=1e-6)
    quantised = output(np.round(anchors / 0.005), dtype="uint8", scale=0.005)
    again = decode([{**whole, "anchors": quantised}[role] for role in order], output_order=",".join(order))
    np.testing.assert_allclose(again.xyxy, expected.xyxy, atol=1e-6)


def test_four_classes_need_the_order() -> None:
    outputs = [output(np.tile((0.1, 0.9, 0, 0), (4, 1))), boxes_of()]
    with pytest.raises(ModelRejected, match="four classes"):
        decode(outputs, anchors=FOUR)
    assert decode(outputs, anchors=FOUR, output_order="scores, boxes").class_id.tolist() == [1, 1, 1]


def reference(
    boxes: np.ndarray, scores: np.ndarray, anchors: np.ndarray, activation: str, first: int, iou_threshold: float
) -> list[tuple[int, float, tuple[float, ...]]]:
    """One box after the other, in float64."""
    found = []
    for (ty, tx, th, tw), row, (ya, xa, ha, wa) in zip(boxes.tolist(), scores.astype(np.float64), anchors.tolist(), strict=True):
        powers = [exp(value) for value in row]
        share = {"none": row, "sigmoid": [p / (1 + p) for p in powers], "softmax": [p / sum(powers) for p in powers]}[activation]
        best = max(range(first, len(row)), key=lambda n: share[n])
        y, x, h, w = ya + ty / 10 * ha, xa + tx / 10 * wa, ha * exp(th / 5), wa * exp(tw / 5)
        if share[best] >= 0.3:
            found.append((best, float(share[best]), (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
    kept: list[tuple[int, float, tuple[float, ...]]] = []
    for one in sorted(found, key=lambda box: -box[1]):
        mine = np.array([one[2]], np.float32)
        if all(k[0] != one[0] or iou_matrix(np.array([k[2]], np.float32), mine)[0, 0] <= iou_threshold for k in kept):
            kept.append(one)
    return kept


@settings(max_examples=80)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["none", "sigmoid", "softmax"]),
    st.booleans(),
    st.sampled_from(["float32", "uint8", "int8"]),
)
def test_it_agrees_with_a_reference_that_loops(seed: int, activation: str, background: bool, dtype: str) -> None:
    random = np.random.default_rng(seed)
    anchors = random.uniform(0.1, 0.6, (30, 4))
    boxes = output(np.clip(random.normal(0, 2, (30, 4)), -3, 3), "boxes")  # so that none reaches where boxes are cut
    values = random.uniform(0, 1, (30, 5)) if activation == "none" else random.normal(0, 2, (30, 5))
    if dtype == "float32":
        scores = output(values, "scores")
    else:
        low, scale = np.iinfo(dtype).min, (1 / 256 if activation == "none" else 1 / 16)
        zero_point = low if activation == "none" else low + 128
        stored = np.clip(np.round(values / scale) + zero_point, low, low + 255)
        scores = output(stored, "scores", dtype, scale, zero_point)
    found = decode(
        [boxes, scores],
        anchors=tuple(anchors.ravel().tolist()),
        activation=activation,
        background=background,
        score_threshold=0.3,
        iou_threshold=0.4,
    )
    if activation == "softmax":  # equal shares round to different floats, so that which comes first is chance
        best = softmax(scores.real()[0])[:, int(background) :].max(axis=1)
        assume(np.diff(np.sort(best)).min() > 1e-6)
    expected = reference(boxes.data[0], scores.real()[0], anchors, activation, int(background), 0.4)
    assert found.class_id.tolist() == [class_id for class_id, _, _ in expected]
    np.testing.assert_allclose(found.score, [score for _, score, _ in expected], atol=1e-5)
    np.testing.assert_allclose(found.xyxy, np.array([box for _, _, box in expected]).reshape(-1, 4), atol=1e-5)


@settings(max_examples=80)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 1.0, 1e30, np.inf, -np.inf, np.nan]),
    st.sampled_from(["none", "sigmoid", "softmax"]),
    st.booleans(),
)
def test_any_numbers_decode_to_sane_detections(seed: int, extreme: float, activation: str, background: bool) -> None:
    random = np.random.default_rng(seed)
    arrays = [random.normal(0, 3, size=(50, n)) for n in (4, 3, 4)]
    for array in arrays:
        array[random.random(array.shape) < 0.1] = extreme
    order = {"output_order": "boxes,scores,anchors", "activation": activation, "background": background, "score_threshold": 0.1}
    with np.errstate(over="ignore"):
        outputs = [output(array) for array in arrays]
    found = decode(outputs, **order)
    assert np.isfinite(found.xyxy).all()
    assert (found.xyxy[:, :2] < found.xyxy[:, 2:]).all()
    assert ((found.score >= 0.1) & (found.score <= 1)).all()
    assert np.isin(found.class_id, [1, 2] if background else [0, 1, 2]).all()
    assert (np.diff(found.score) <= 0).all()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"anchors": FOUR[:-1]}, "15 numbers are listed as anchors, the model's 4 boxes need 16"),
        ({"anchors": (*FOUR[:-1], float("inf"))}, "finite"),
        ({}, "the model has 4 boxes, its parameters make 1917 anchors"),
        ({"strides": (150.0, 0.5)}, "at least 1"),
        ({"anchors": (*FOUR[:-1], 1e300)}, "finite"),
        ({"strides": (150.5,)}, "whole numbers"),
        ({"aspect_ratios": (1.0,) * 10_000, "strides": (8.0,) * 10_000}, "longer than 32"),
        ({"strides": ()}, "numbers or more"),
        ({"strides": (1.0,) * 5}, "make 2430000 anchors"),
        ({"activation": "tanh"}, "'none', 'sigmoid', 'softmax'"),
        ({"output_order": "scores"}, "name boxes and scores once"),
        ({"output_order": "anchors,boxes,scores"}, "as anchors,boxes,scores, the model has"),
        ({"anchors": FOUR, "output_order": "scores,boxes"}, "expects boxes"),
    ],
)
def test_what_does_not_fit_is_refused(parameters: dict[str, Parameter], says: str) -> None:
    with pytest.raises(ModelRejected, match=says):
        decode([boxes_of(), output(SCORES)], **parameters)


def test_models_with_as_many_boxes_as_a_published_ssd_are_proposed() -> None:
    def proposed(side: int, count: int, *ops: str) -> tuple[str | None, dict[str, Parameter]]:
        inputs = [TensorSpec("in", (1, side, side, 3), "uint8")]
        outputs = [TensorSpec("b", (1, count, 4), "float32"), TensorSpec("s", (1, count, 91), "float32")]
        proposal = registry.propose(inputs, outputs, ops)
        if proposal.name == "ssd_heads":
            assert "check it" in proposal.why
            registry.build(DecoderSpec("ssd_heads", proposal.parameters), inputs, outputs)
        return proposal.name, proposal.parameters

    assert proposed(300, 1917, "LOGISTIC") == ("ssd_heads", {"activation": "none"})
    name, parameters = proposed(320, 12804)
    assert (name, parameters["anchor_generator"], parameters["activation"]) == ("ssd_heads", "multiscale", "sigmoid")
    assert proposed(300, 1918)[0] != "ssd_heads"
