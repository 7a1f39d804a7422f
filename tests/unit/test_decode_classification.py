"""Scores of the whole picture as detections, and what tracker and presence make of them."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.event import ObjectAppeared, ObjectLeft
from edged.core.model import DecoderSpec, Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry
from edged.tracking.settings import TrackerSettings
from edged.tracking.tracker import Tracker
from edged.zones.presence import FrameTime, Presence

INPUT = [TensorSpec("in", (1, 96, 96, 3), "uint8")]


def decode(scores: object, shape: tuple[int, ...] | None = None, **parameters: Parameter) -> Detections:
    data = np.asarray(scores, np.float32)
    data = data.reshape(shape or (1, -1))
    output = RawOutput(TensorSpec("out", data.shape, "float32"), data)
    return registry.build(DecoderSpec("classification", parameters), INPUT, [output.spec])([output])


def test_the_best_class_is_one_detection_of_the_whole_picture() -> None:
    found = decode([0.1, 0.7, 0.2])
    assert found.xyxy.tolist() == [[0, 0, 1, 1]]
    assert found.class_id.tolist() == [1]
    assert found.score.tolist() == pytest.approx([0.7])
    assert len(decode([0.4, 0.3, 0.3])) == 0


def test_several_classes_may_hold_at_once() -> None:
    found = decode([0.6, 0.9, 0.4, 0.9], top_k=3)
    assert found.class_id.tolist() == [1, 3, 0]
    assert decode([0.6, 0.9, 0.4, 0.9], top_k=2).class_id.tolist() == [1, 3]


def test_quantised_scores_are_read_by_their_own_parameters() -> None:
    spec = TensorSpec("out", (1, 3), "uint8", 1 / 256, 0)
    decoder = registry.build(DecoderSpec("classification"), INPUT, [spec])
    found = decoder([RawOutput(spec, np.array([[10, 250, 3]], np.uint8))])
    assert (found.class_id.tolist(), found.score.tolist()) == ([1], [pytest.approx(250 / 256)])


@pytest.mark.parametrize(
    ("parameters", "classes"),
    [
        ({}, [0, 2]),
        ({"background": True}, [2]),
        ({"background": True, "label_offset": -1}, [1]),
        ({"label_offset": -1}, [1]),
        ({"label_offset": 1}, [1, 3]),
    ],
)
def test_the_background_is_no_class_and_labels_may_begin_behind_it(parameters: dict[str, Parameter], classes: list[int]) -> None:
    assert decode([0.6, 0.1, 0.5], top_k=2, **parameters).class_id.tolist() == classes


def test_where_the_background_is_best_nothing_takes_its_place() -> None:
    assert len(decode([0.6, 0.55], background=True)) == 0


@given(
    st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=30),
    st.sampled_from(["none", "sigmoid", "softmax"]),
    st.integers(1, 5),
)
def test_it_agrees_with_a_reference_that_loops(logits: list[float], activation: str, top_k: int) -> None:
    powers = [exp(value) for value in logits]
    scores = {"none": logits, "sigmoid": [p / (1 + p) for p in powers], "softmax": [p / sum(powers) for p in powers]}[activation]
    expected = [score for score in sorted(scores, reverse=True)[:top_k] if 0.2 <= score <= 1]
    found = decode(logits, activation=activation, top_k=top_k, score_threshold=0.2)
    near_the_edge = any(abs(score - edge) < 1e-5 for score in scores for edge in (0.2, 1))
    if not near_the_edge:
        np.testing.assert_allclose(found.score, expected, atol=1e-5)
        np.testing.assert_allclose([scores[n] for n in found.class_id], expected, atol=1e-5)


@given(st.lists(st.floats(width=32), min_size=1, max_size=20), st.sampled_from(["none", "sigmoid", "softmax"]))
def test_any_numbers_decode_to_sane_detections(numbers: list[float], activation: str) -> None:
    found = decode(numbers, activation=activation, top_k=20, score_threshold=0.0)
    assert ((found.score >= 0) & (found.score <= 1)).all()
    assert (np.diff(found.score) <= 0).all()
    assert len(set(found.class_id.tolist())) == len(found)


def test_rows_of_convolutions_are_read_too() -> None:
    assert decode([0.1, 0.9], (1, 1, 1, 2)).class_id.tolist() == [1]
    assert decode([3.0], activation="sigmoid").score.tolist() == pytest.approx([1 / (1 + exp(-3))])


@pytest.mark.parametrize("shapes", [[], [(1, 3), (1, 3)], [(2, 3)], [(1, 2, 3)], [(1, 7, 7, 3)], [(3,)]])
def test_anything_but_one_row_is_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelRejected, match=r"expects one output \[1xC\]"):
        registry.build(DecoderSpec("classification"), INPUT, [TensorSpec("x", shape, "float32") for shape in shapes])


def test_a_picture_in_and_a_row_out_is_proposed_with_a_doubt() -> None:
    row = [TensorSpec("p", (1, 1001), "uint8")]
    proposal = registry.propose(INPUT, row, {"CONV_2D", "SOFTMAX"})
    assert (proposal.name, proposal.parameters) == ("classification", {"activation": "none"})
    assert "check it" in proposal.why
    assert registry.propose(INPUT, row, {"CONV_2D"}).parameters == {"activation": "softmax"}
    compiled = [TensorSpec("p", (1, 1001), "uint8", 1 / 256, 0)]
    assert registry.propose(INPUT, compiled, {"edgetpu-custom-op"}).parameters == {"activation": "none"}
    assert registry.propose([TensorSpec("x", (1, 8), "float32")], row, set()).name is None


def test_states_of_the_scene_appear_and_leave_as_objects_do() -> None:
    """Several classes share one box; a class that takes over is another object, and a weak moment ends nothing."""
    tracker, presence = Tracker(TrackerSettings()), Presence("gate", str, "model", "run")
    story: list[ObjectAppeared | ObjectLeft] = []
    picture = np.array([640, 360, 640, 360], np.float32)

    def see(scores: list[float], at_s: float) -> None:
        found = decode(scores, top_k=3, score_threshold=0.2)  # as the loader sets it: the tracker's lower threshold
        pixels = Detections(found.xyxy * picture, found.score, found.class_id)
        story.extend(presence.update(tracker.update(pixels, int(at_s * 1e9)), FrameTime(0, int(at_s * 1e9))))

    for step in range(200):
        at_s = step / 10
        open_, closed, rain = (0.9, 0.05, 0.0) if at_s < 6 else (0.05, 0.9, 0.0)
        rain = 0.8 if 4 <= at_s < 12 else 0.0
        open_ = 0.3 if 2 <= at_s < 4 else open_  # doubt, not absence
        see([open_, closed, rain], at_s)
    events = [(type(event).__name__, event.label, round(event.media_s or 0)) for event in story]
    assert events == [
        ("ObjectAppeared", "0", 0),
        ("ObjectAppeared", "2", 4),
        ("ObjectAppeared", "1", 6),
        ("ObjectLeft", "0", 7),
        ("ObjectLeft", "2", 13),
    ]
    left = [event for event in story if isinstance(event, ObjectLeft)]
    assert [event.dwell_s for event in left] == pytest.approx([5.9, 7.9], abs=0.01)
    assert left[0].box == pytest.approx((0, 0, 640, 360), abs=1)
