"""Minimum-cost assignment: who goes with whom so that the whole costs least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def assign(cost: NDArray[np.floating], limit: float) -> tuple[Indices, Indices]:
    """Pairs (rows, columns) of ``cost`` (n, m) that cost less than ``limit`` each and together save the most against it.

    The pairs maximise the sum of ``limit - cost``: leaving a row and a column apart costs ``limit``, as in the gated assignment
    of ByteTrack (``lap.lapjv`` with ``cost_limit``). Costs may be infinite but not NaN. Rows come in ascending order.
    """
    allowed = cost < limit
    rows, columns = np.nonzero(allowed)
    alone = (allowed.sum(axis=1)[rows] == 1) & (allowed.sum(axis=0)[columns] == 1)
    if alone.all():  # almost every frame: each object is near one detection only, and there is nothing to weigh
        return rows, columns
    contested_rows, contested_columns = np.unique(rows[~alone]), np.unique(columns[~alone])
    contested = np.minimum(cost[np.ix_(contested_rows, contested_columns)].astype(np.float64) - limit, 0.0)
    r, c = _complete(contested)
    paired = contested[r, c] < 0
    all_rows = np.concatenate([rows[alone], contested_rows[r[paired]]])
    all_columns = np.concatenate([columns[alone], contested_columns[c[paired]]])
    order = np.argsort(all_rows)
    return all_rows[order], all_columns[order]


def _complete(cost: NDArray[np.float64]) -> tuple[Indices, Indices]:
    """The cheapest pairing (rows, columns) of finite ``cost`` (n, m) that leaves no row, or no column, alone."""
    if cost.shape[0] > cost.shape[1]:
        columns, rows = _complete(cost.T)
        return rows, columns
    matching = _Matching(cost)
    for row in range(len(cost)):
        matching.add(row)
    return np.arange(len(cost)), matching.column_of


class _Matching:
    """The cheapest matching of the rows added so far.

    Jonker and Volgenant's shortest augmenting paths as D. F. Crouse states them, "On implementing 2D rectangular assignment
    algorithms" (IEEE TAES 52(4), 2016).
    """

    def __init__(self, cost: NDArray[np.float64]) -> None:
        n, m = cost.shape
        self._cost = cost
        self._row_price, self._column_price = np.zeros(n), np.zeros(m)
        self._row_of = np.full(m, -1, np.intp)
        self.column_of = np.full(n, -1, np.intp)

    def add(self, row: int) -> None:
        """Match one more row; the others may have to change columns for it."""
        m = len(self._row_of)
        distance, came_from, done = np.full(m, np.inf), np.full(m, -1, np.intp), np.zeros(m, np.bool_)
        current, lowest = row, 0.0
        while True:  # Dijkstra over reduced costs, until a free column is the nearest
            through = lowest + self._cost[current] - self._row_price[current] - self._column_price
            better = ~done & (through < distance)
            distance[better], came_from[better] = through[better], current
            nearest = int(np.argmin(np.where(done, np.inf, distance)))
            lowest = float(distance[nearest])
            if self._row_of[nearest] < 0:
                break
            done[nearest] = True
            current = int(self._row_of[nearest])
        self._row_price[row] += lowest
        self._row_price[self._row_of[done]] += lowest - distance[done]
        self._column_price[done] -= lowest - distance[done]
        self._turn(row, nearest, came_from)

    def _turn(self, row: int, column: int, came_from: Indices) -> None:
        """Give each row on the path from ``row`` to the free ``column`` the next column on it."""
        owner = -1
        while owner != row:
            owner = int(came_from[column])
            self._row_of[column] = owner
            column, self.column_of[owner] = int(self.column_of[owner]), column
