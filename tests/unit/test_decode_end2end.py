"""Rows of six from detectors that suppress by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry

INPUT = [TensorSpec("image", (1, 64, 128, 3), "float32")]
ROWS = [[0.1, 0.2, 0.3, 0.4, 0.6, 2], [0.5, 0.5, 0.7, 0.9, 0.9, 0], [0, 0, 0, 0, 0, 0], [0.1, 0.1, 0.2, 0.2, 0.4, 1]]


def decode(rows: np.ndarray, spec: TensorSpec | None = None, **parameters: Parameter) -> Detections:
    output = RawOutput(spec or TensorSpec("out", (1, *rows.shape), "float32"), rows[None])
    chosen = DecoderSpec("yolo_end2end", {"classes": 3, "coordinates": "normalised", **parameters})
    return registry.build(chosen, INPUT, [output.spec])([output])


def test_rows_are_read_by_falling_score() -> None:
    found = decode(np.array(ROWS, np.float32))
    assert found.class_id.tolist() == [0, 2]
    assert found.score.tolist() == pytest.approx([0.9, 0.6])
    assert found.xyxy[0].tolist() == pytest.approx([0.5, 0.5, 0.7, 0.9])
    assert len(decode(np.array(ROWS, np.float32), score_threshold=0.4)) == 3


def test_pixels_are_normalised_by_width_and_height() -> None:
    found = decode(np.array([[32, 16, 64, 48, 0.8, 1]], np.float32), coordinates="pixels")
    assert found.xyxy.tolist() == [[0.25, 0.25, 0.5, 0.75]]


def test_classes_that_a_quantised_output_misses_by_a_fraction_are_rounded() -> None:
    spec = TensorSpec("out", (1, 1, 6), "int16", 0.0003, 0)
    rows = np.round(np.array([[0.1, 0.2, 0.3, 0.4, 0.6, 2]]) / 0.0003).astype(np.int16)
    assert decode(rows, spec).class_id.tolist() == [2]


@pytest.mark.parametrize("class_id", [-1, 3, np.nan, np.inf, 1e30])
def test_rows_of_other_classes_are_dropped_alone(class_id: float) -> None:
    rows = np.array(ROWS, np.float32)
    rows[1, 5] = class_id
    assert decode(rows).class_id.tolist() == [2]


floats = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(hnp.arrays(np.float32, (5, 6), elements=floats | st.floats(0, 1, width=32)), st.sampled_from(["normalised", "pixels"]))
def test_any_numbers_decode_to_sane_detections(rows: np.ndarray, coordinates: str) -> None:
    found = decode(rows, score_threshold=0.0, coordinates=coordinates)
    assert np.isfinite(found.xyxy).all()
    assert (found.xyxy[:, :2] < found.xyxy[:, 2:]).all()
    assert ((found.score >= 0) & (found.score <= 1)).all()
    assert (np.diff(found.score) <= 0).all()
    assert np.isin(found.class_id, [0, 1, 2]).all()


@pytest.mark.parametrize("shapes", [[(1, 300, 7)], [(300, 6)], [(1, 300, 6), (1, 1)], []])
def test_other_outputs_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelRejected, match=r"expects one output \[1xNx6\]"):
        spec = DecoderSpec("yolo_end2end", {"classes": 3, "coordinates": "pixels"})
        registry.build(spec, INPUT, [TensorSpec("x", shape, "float32") for shape in shapes])
