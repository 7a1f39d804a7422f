from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry

INPUT = [TensorSpec("image", (1, 300, 300, 3), "uint8", 1 / 128, 128)]
N = 5
SHAPES = {"boxes": (1, N, 4), "classes": (1, N), "scores": (1, N), "count": (1,)}
PREFIX = "TFLite_Detection_PostProcess"
TF1 = {"boxes": PREFIX, "classes": f"{PREFIX}:1", "scores": f"{PREFIX}:2", "count": f"{PREFIX}:3"}
TF2 = {role: f"StatefulPartitionedCall:{3 - k}" for k, role in enumerate(SHAPES)}
METADATA = {"boxes": "location", "classes": "category", "scores": "score", "count": "number of detections"}
NAMELESS = {"boxes": "a", "classes": "b", "scores": "c", "count": "d"}


def specs(names: dict[str, str], order: tuple[str, ...] = tuple(SHAPES), shapes: dict = SHAPES) -> list[TensorSpec]:
    return [TensorSpec(names[role], shapes[role], "float32") for role in order]


def values(order: tuple[str, ...] = tuple(SHAPES), count: float = N) -> list[np.ndarray]:
    """Five boxes, best third, of classes 10 to 14."""
    y0 = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    arrays = {
        "boxes": np.stack([y0, y0 / 2, y0 + 0.2, y0 / 2 + 0.1], axis=1)[None],
        "classes": np.arange(10, 15)[None],
        "scores": np.array([[0.7, 0.4, 0.9, 0.6, 0.8]]),
        "count": np.array([count]),
    }
    return [arrays[role].astype(np.float32) for role in order]


def decode(outputs: list[TensorSpec], data: list[np.ndarray], **parameters: Parameter):
    decoder = registry.build(DecoderSpec("ssd_postprocess", parameters), INPUT, outputs)
    return decoder([RawOutput(spec, array) for spec, array in zip(outputs, data, strict=True)])


@pytest.mark.parametrize("order", list(itertools.permutations(SHAPES)))
@pytest.mark.parametrize("naming", [TF1, TF2, METADATA], ids=["tf1", "tf2", "metadata"])
def test_names_tell_the_roles_in_any_order(naming: dict[str, str], order: tuple[str, ...]) -> None:
    found = decode(specs(naming, order), values(order))
    assert found.class_id.tolist() == [12, 14, 10, 13]
    assert found.score.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert found.xyxy[0].tolist() == pytest.approx([0.15, 0.3, 0.25, 0.5])


def test_order_can_be_stated_and_beats_names() -> None:
    order = ("scores", "boxes", "count", "classes")
    found = decode(specs(NAMELESS, order), values(order), output_order="scores, boxes, count, classes")
    assert found.class_id.tolist() == [12, 14, 10, 13]
    swapped = decode(specs(TF1), values(("boxes", "scores", "classes", "count")), output_order="boxes,scores,classes,count")
    assert swapped.class_id.tolist() == [12, 14, 10, 13]


def test_outputs_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ModelRejected, match=r"do not tell.*a float32 \[1x5x4\].*output_order"):
        decode(specs(NAMELESS), values())


@pytest.mark.parametrize("order", ["boxes,classes,scores", "boxes,boxes,scores,count", "boxes classes scores count"])
def test_a_bad_order_is_refused(order: str) -> None:
    with pytest.raises(ModelRejected, match="name each of boxes, classes, scores, count once"):
        decode(specs(NAMELESS), values(), output_order=order)


@pytest.mark.parametrize(
    "shapes",
    [
        SHAPES | {"boxes": (1, N, 5)},
        SHAPES | {"boxes": (1, N + 1, 4)},
        SHAPES | {"scores": (2, N)},
        SHAPES | {"classes": (1, N, 4), "boxes": (1, N)},
        SHAPES | {"count": (1, 1)},
    ],
)
def test_shapes_that_do_not_fit_are_refused_before_the_first_frame(shapes: dict) -> None:
    with pytest.raises(ModelRejected, match=r"expects boxes \[1xNx4\].*the model has"):
        registry.build(DecoderSpec("ssd_postprocess"), INPUT, specs(TF1, shapes=shapes))


def test_a_missing_output_is_refused() -> None:
    with pytest.raises(ModelRejected):
        registry.build(DecoderSpec("ssd_postprocess", {"output_order": ",".join(SHAPES)}), INPUT, specs(TF1)[:3])


def test_shapes_may_be_unknown_until_the_first_inference() -> None:
    dynamic = specs(TF1, shapes=dict.fromkeys(SHAPES, ()))
    assert len(decode(dynamic, values())) == 4
    with pytest.raises(ModelRejected, match="the model has"):
        decode(dynamic, [np.zeros((1, 7, 4), np.float32), *values()[1:]])


@pytest.mark.parametrize(("count", "kept"), [(3, 2), (0, 0), (-1, 0), (99, 4), (np.nan, 0), (np.inf, 4), (-np.inf, 0)])
def test_count_is_clipped(count: float, kept: int) -> None:
    assert len(decode(specs(TF1), values(count=count))) == kept


def test_threshold_is_inclusive() -> None:
    assert len(decode(specs(TF1), values(), score_threshold=0.7)) == 3
    assert len(decode(specs(TF1), values(), score_threshold=0)) == 5


@pytest.mark.parametrize(
    ("output", "value"),
    [(0, np.nan), (0, np.inf), (0, -np.inf), (1, -1), (1, np.nan), (1, 1e30), (2, 1.5), (2, np.nan), (2, -0.5)],
)
def test_rows_that_make_no_sense_are_dropped_alone(output: int, value: float) -> None:
    data = values()
    data[output].reshape(N, -1)[2, 0] = value
    assert decode(specs(TF1), data).class_id.tolist() == [14, 10, 13]


def test_quantised_outputs_are_read_by_their_own_scale() -> None:
    outputs = specs(TF1)
    outputs[2] = TensorSpec(TF1["scores"], (1, N), "uint8", 1 / 250, 5)
    data = values()
    data[2] = np.array([[5, 5, 230, 5, 205]], np.uint8)
    assert decode(outputs, data).score.tolist() == pytest.approx([0.9, 0.8])


floats = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(
    st.tuples(
        hnp.arrays(np.float32, (1, N, 4), elements=floats | st.floats(0, 1, width=32)),
        hnp.arrays(np.float32, (1, N), elements=floats | st.integers(0, 90)),
        hnp.arrays(np.float32, (1, N), elements=floats | st.floats(0, 1, width=32)),
        hnp.arrays(np.float32, (1,), elements=floats | st.integers(0, N)),
    )
)
def test_any_numbers_decode_to_sane_detections(data: tuple[np.ndarray, ...]) -> None:
    found = decode(specs(TF1), list(data), score_threshold=0.0)
    assert np.isfinite(found.xyxy).all()
    assert (np.abs(found.xyxy) <= 2).all()
    assert (found.xyxy[:, :2] < found.xyxy[:, 2:]).all()
    assert ((found.score >= 0) & (found.score <= 1)).all()
    assert (np.diff(found.score) <= 0).all()
    assert (found.class_id >= 0).all()
