from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from edged.tracking.assign import assign

shapes = st.tuples(st.integers(0, 9), st.integers(0, 9))
costs = shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=st.floats(0, 2) | st.just(np.inf)))


@given(costs | shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=st.integers(0, 3))), st.floats(0.1, 2.5))
def test_pairs_save_as_much_as_scipy_finds_possible(cost: np.ndarray, limit: float) -> None:
    rows, columns = assign(cost, limit)
    assert (cost[rows, columns] < limit).all()
    assert len(set(columns.tolist())) == len(columns)
    assert (np.diff(rows) > 0).all()
    gated = np.minimum(cost - limit, 0)
    best = gated[linear_sum_assignment(gated)].sum()
    assert (cost[rows, columns] - limit).sum() == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50)])
def test_a_crowd_where_all_compete(shape: tuple[int, int]) -> None:
    cost = np.random.default_rng(1).uniform(0, 1, shape)
    rows, columns = assign(cost, 1.0)
    assert cost[rows, columns].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum())


def test_the_whole_is_cheaper_than_each_taking_its_best() -> None:
    rows, columns = assign(np.array([[0.1, 0.2], [0.15, 0.9]]), 1.0)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_a_pair_at_the_limit_stays_apart() -> None:
    assert len(assign(np.array([[0.5]]), 0.5)[0]) == 0
    assert len(assign(np.array([[0.5]]), 0.51)[0]) == 1
