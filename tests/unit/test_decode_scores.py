"""Thresholds in the numbers of a tensor: they let through just what a comparison of real numbers lets through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import ModelRejected
from edged.core.tensor import TensorSpec
from edged.decode.scores import ScoreReader, logit, sigmoid, stored


def spec(dtype: str, scale: float = 0.0, zero_point: int = 0) -> TensorSpec:
    return TensorSpec("scores", (1, 4, 2), dtype, scale, zero_point)


formats = st.one_of(
    st.builds(spec, st.just("int8"), st.floats(1e-4, 2), st.integers(-128, 127)),
    st.builds(spec, st.just("uint8"), st.floats(1e-4, 2), st.integers(0, 255)),
    st.builds(spec, st.just("int16"), st.floats(1e-6, 2), st.integers(-100, 100)),
    st.builds(spec, st.just("uint16"), st.floats(1e-6, 2), st.integers(0, 65535)),
)


@given(formats, st.floats(-100, 100) | st.sampled_from([0.0, 0.5, np.inf, -np.inf]))
def test_the_stored_threshold_is_the_real_one(tensor: TensorSpec, least: float) -> None:
    limits = np.iinfo(tensor.dtype)
    everything = np.arange(limits.min, limits.max + 1).astype(tensor.dtype)
    threshold = stored(tensor, least)
    np.testing.assert_array_equal(np.greater_equal(everything, threshold), tensor.real(everything) >= least)


@given(st.floats(1e-6, 1 - 1e-6))
def test_logit_undoes_sigmoid(probability: float) -> None:
    assert sigmoid(np.array([logit(probability)], np.float32))[0] == pytest.approx(probability, abs=1e-6)
    assert (logit(0), logit(1)) == (-np.inf, np.inf)


@pytest.mark.parametrize("extreme", [3e38, np.inf])
def test_sigmoid_of_anything_is_a_score(extreme: float) -> None:
    assert sigmoid(np.array([extreme, -extreme, 0], np.float32)).tolist() == [1.0, pytest.approx(0), 0.5]


def test_a_score_that_rounding_lifted_above_one_counts_as_one() -> None:
    tensor = spec("uint8", 1 / 253, 1)
    read = ScoreReader(tensor, "none", 0.5)
    found = read(np.array([[255, 0], [254, 0], [1, 128]], np.uint8))
    assert found.index.tolist() == [0, 1, 2]
    assert found.score.tolist() == pytest.approx([1, 1, 127 / 253])
    assert found.class_id.tolist() == [0, 0, 1]


def test_scores_that_make_no_sense_are_dropped_alone() -> None:
    read = ScoreReader(spec("float32"), "none", 0.5)
    values = np.array([[0.9, np.nan], [0.9, 1.5], [np.inf, 0.1], [0.1, 0.8]], np.float32)
    assert read(values).index.tolist() == [3]
    assert read(values[3:], np.array([np.nan], np.float32)).index.tolist() == []


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_thresholds_at_the_ends(threshold: float) -> None:
    values = np.array([[0.0, 0.0], [0.0, 1.0]], np.float32)
    assert len(ScoreReader(spec("float32"), "none", threshold)(values).index) == (1 if threshold else 2)
    logits = np.array([[-200, -300], [200, 0]], np.float32)
    assert len(ScoreReader(spec("float32"), "sigmoid", threshold)(logits).index) == (1 if threshold else 2)


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (spec("uint8", 2.5), "counts in steps of 2.5, expected 0.1 at most.*normalised coordinates"),
        (spec("int8", -0.1), "steps of -0.1"),
        (spec("int8", float("nan")), "steps of nan"),
        (spec("int8"), "without one scale"),
    ],
)
def test_outputs_that_cannot_hold_scores_are_refused(tensor: TensorSpec, says: str) -> None:
    with pytest.raises(ModelRejected, match=says):
        ScoreReader(tensor, "none", 0.5)
