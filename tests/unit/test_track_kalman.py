from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.tracking import kalman


class Reference:
    """The textbook filter: 8 x 8 matrices, noise in units of a box whose size is 1."""

    def __init__(self, measured: np.ndarray) -> None:
        self.mean = np.concatenate([measured, np.zeros(4)])
        self.cov = np.diag([kalman.MEASURED_STD**2] * 4 + [kalman.RATE_STD**2] * 4)

    def predict(self, dt: float) -> None:
        step = np.kron([[1, dt], [0, 1]], np.eye(4))
        noise = kalman.ACCELERATION * np.kron([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]], np.eye(4))
        self.mean, self.cov = step @ self.mean, step @ self.cov @ step.T + noise

    def correct(self, measured: np.ndarray) -> None:
        seen = np.eye(4, 8)
        gain = self.cov @ seen.T @ np.linalg.inv(seen @ self.cov @ seen.T + kalman.MEASURED_STD**2 * np.eye(4))
        self.mean = self.mean + gain @ (measured - seen @ self.mean)
        self.cov = (np.eye(8) - gain @ seen) @ self.cov


@given(st.lists(st.tuples(st.floats(1 / 60, 2), st.integers(0, 1000)), min_size=1, max_size=8))
def test_each_track_is_filtered_as_by_the_textbook(steps: list[tuple[float, int]]) -> None:
    first = np.array([[100.0, 200, 500, 900], [400, 300, 2000, 800]])  # too big for the least size to interfere
    references = [Reference(row) for row in first]
    mean, cov = kalman.start(first)
    for dt, seed in steps:
        measured = first + np.random.default_rng(seed).normal(0, 3, first.shape)
        mean, cov = kalman.correct(*kalman.predict(mean, cov, dt), measured)
        for reference, row in zip(references, measured, strict=True):
            reference.predict(dt)
            reference.correct(row)
    for k, reference in enumerate(references):
        np.testing.assert_allclose(mean[k], reference.mean, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(cov[k], reference.cov[[0, 0, 4], [0, 4, 4]], rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(reference.cov[1:4, 1:4], np.eye(3) * reference.cov[0, 0], atol=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_waiting_in_steps_is_waiting_at_once(steps: list[float]) -> None:
    mean, cov = kalman.start(np.array([[100.0, 200, 50, 90]]))
    mean[:, 4:] = [30, -20, 2, 1]
    whole = kalman.predict(mean, cov, sum(steps))
    for dt in steps:
        mean, cov = kalman.predict(mean, cov, dt)
    np.testing.assert_allclose(mean, whole[0], rtol=1e-9)
    np.testing.assert_allclose(cov, whole[1], rtol=1e-9)


@pytest.mark.parametrize("fps", [0.5, 5, 60])
def test_a_steady_walk_is_learned_at_any_rate(fps: float) -> None:
    walk = np.array([[120.0, -30, 0, 0]])
    mean, cov = kalman.start(np.array([[100.0, 200, 60, 170]]))
    for k in range(1, max(6, int(3 * fps))):
        measured = np.array([[100.0, 200, 60, 170]]) + walk * k / fps
        mean, cov = kalman.correct(*kalman.predict(mean, cov, 1 / fps), measured)
    np.testing.assert_allclose(mean[:, 4:], walk, atol=6)


def test_sizes_never_turn_over() -> None:
    mean, cov = kalman.start(np.array([[100.0, 200, 0, 40]]))
    mean[:, 6:] = -100
    mean, cov = kalman.predict(mean, cov, 2.0)
    x0, y0, x1, y1 = kalman.xyxy_of(mean)[0]
    assert x1 - x0 == y1 - y0 == 1


def test_uncertainty_grows_with_time_up_to_its_limit() -> None:
    mean, cov = kalman.start(np.array([[100.0, 200, 40, 90]]))
    std = [kalman.position_std_px(*kalman.predict(mean, cov, dt), 2.0)[0] for dt in (0.0, 0.1, 0.5, 60.0)]
    assert std[0] == pytest.approx(60 * kalman.MEASURED_STD)
    assert std == sorted(std)
    assert std[-1] == pytest.approx(2 * 60)


def test_boxes_go_there_and_back() -> None:
    xyxy = np.array([[10, 20, 50, 100], [-5, 0, 5, 1]], np.float32)
    np.testing.assert_allclose(kalman.xyxy_of(kalman.start(kalman.measured_of(xyxy))[0]), xyxy)
