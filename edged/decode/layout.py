"""Where the numbers of an anchor are among a model's outputs.

Exporters join levels or leave an output for each, join boxes and scores or leave them apart, and list outputs in any order. Which
of these it is follows from the shapes once the manifest says how many numbers an anchor has; whatever fits no known way is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.core.tensor import RawOutput, TensorSpec

Role = Literal["boxes", "objectness", "classes"]


@dataclass(frozen=True, slots=True)
class Table:
    """Where some numbers of a run of anchors are: columns ``first`` to ``last`` of one output, a row for each anchor.

    ``last`` None is the end. With ``transposed`` the output has a column for each anchor.
    """

    output: int
    shape: tuple[int, ...]
    rows: int
    first: int = 0
    last: int | None = None
    transposed: bool = False

    def of(self, outputs: Sequence[RawOutput]) -> NDArray[np.generic]:
        """The numbers as they are stored, a row for each anchor; raises ModelRejected if the shape is not the one it was."""
        data = outputs[self.output].data
        if data.shape != self.shape:
            raise ModelRejected(f"output {outputs[self.output].spec} has the shape {data.shape} after an inference")
        whole = data[0].T if self.transposed else data.reshape(self.rows, -1)
        return whole[:, self.first : self.last]


@dataclass(frozen=True, slots=True)
class Part:
    """A run of anchors, beginning with ``first``, whose numbers lie together."""

    first: int
    boxes: Table
    classes: Table
    objectness: Table | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of one anchor in the order in which exporters join them: (role, how many) each.

    ``per_cell`` anchors of one cell follow each other.
    """

    fields: tuple[tuple[Role, int], ...]
    per_cell: int = 1

    @property
    def width(self) -> int:
        """Numbers of an anchor."""
        return sum(count for _, count in self.fields)

    def count(self, role: Role) -> int:
        """Numbers of an anchor for ``role``; 0 if it has none."""
        return dict(self.fields).get(role, 0)

    @property
    def widths(self) -> tuple[tuple[int, ...], ...]:
        """The ways in which the numbers of an anchor are spread over outputs: one for all, or one for boxes and one for classes."""
        boxes, classes = self.count("boxes"), self.count("classes")
        apart = ((boxes, classes),) if boxes != classes and not self.count("objectness") else ()
        return ((self.width,), *apart)

    def part(self, first: int, tables: Sequence[Table]) -> Part:
        """The run of anchors that lies in one table, or in one of boxes and one of classes."""
        if len(tables) == 2:
            return Part(first, *tables)
        cut: dict[Role, Table] = {}
        start = 0
        for role, count in self.fields:
            cut[role] = replace(tables[0], first=start, last=start + count)
            start += count
        return Part(first, cut["boxes"], cut["classes"], cut.get("objectness"))


def arrange(decoder: str, outputs: Sequence[TensorSpec], layout: Layout, levels: Sequence[tuple[int, int]]) -> tuple[Part, ...]:
    """The parts of a model whose anchors lie on grids of ``levels`` (rows, columns); raises ModelRejected.

    Known are: all levels in one output [1, N, width] or an output [1, rows, columns, per_cell x width] or [1, n, width] for each
    level, either with boxes and classes together or apart. Outputs are told apart by their shapes, so they may come in any order;
    levels in one output come in the order of the strides.
    """
    for runs in _runs(layout, levels):
        for widths in layout.widths:
            places = [[_place(outputs, run, width) for width in widths] for run in runs]
            used = [place for group in places for place in group if place is not None]
            if sorted(used) != list(range(len(outputs))) or len(used) != len(runs) * len(widths):
                continue
            parts, first = [], 0
            for run, group in zip(runs, places, strict=True):
                tables = [Table(place, outputs[place].shape, run.anchors) for place in group if place is not None]
                parts.append(layout.part(first, tables))
                first += run.anchors
            return tuple(parts)
    raise ModelRejected(
        f"{decoder} expects {_forms(layout, levels)}; the model has {'; '.join(map(str, outputs)) or 'no outputs'}",
        hint="check the decoder and its parameters (classes and strides among them) in the manifest",
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """Anchors that lie together; ``grid`` (rows, columns, anchors a cell) if they are those of one level."""

    anchors: int
    grid: tuple[int, int, int] | None = None

    def shapes(self, width: int) -> list[tuple[int, ...]]:
        """The shapes in which an output holds ``width`` numbers for each of them."""
        flat: list[tuple[int, ...]] = [(1, self.anchors, width)]
        return flat if self.grid is None else [(1, *self.grid[:2], self.grid[2] * width), *flat]


def _runs(layout: Layout, levels: Sequence[tuple[int, int]]) -> tuple[list[_Run], list[_Run]]:
    apart = [_Run(rows * columns * layout.per_cell, (rows, columns, layout.per_cell)) for rows, columns in levels]
    return [_Run(sum(run.anchors for run in apart))], apart


def _place(outputs: Sequence[TensorSpec], run: _Run, width: int) -> int | None:
    """The position of the output that holds ``width`` numbers for each anchor of the run; ``None`` unless there is just one."""
    places = [place for place, spec in enumerate(outputs) if spec.shape in run.shapes(width)]
    return places[0] if len(places) == 1 else None


def _forms(layout: Layout, levels: Sequence[tuple[int, int]]) -> str:
    """The outputs that ``arrange`` would understand, in words."""
    forms = []
    for runs in _runs(layout, levels):
        for widths in layout.widths:
            shapes = [run.shapes(width)[0] for run in runs for width in widths]
            forms.append(" and ".join(f"[{'x'.join(map(str, shape))}]" for shape in shapes))
    return "; or ".join(forms)
