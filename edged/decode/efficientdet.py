"""Decoder ``efficientdet``: EfficientDet and EfficientDet-Lite without their post-processing operator.

Five levels, P3 to P7, each half as wide as the one before (rounded up), nine anchors in a cell: three sizes an octave, three
aspect ratios. Outputs are class logits [1, rows, columns, 9 x classes] and boxes [1, rows, columns, 36] for each level, or both
joined over levels, [1, N, classes] and [1, N, 4]. A box is ty, tx, th, tw relative to its anchor, without variances. As in
https://github.com/google/automl, efficientdet/tf2/anchors.py. Files of the Lite models mostly carry the operator: decoder
``ssd_postprocess``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, MinLen
from numpy.typing import NDArray

from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import TensorSpec
from edged.decode.dense import Dense
from edged.decode.grid import Strides, grid, level_sizes
from edged.decode.layout import Layout, arrange
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.scores import Activation
from edged.decode.suppression import SuppressionParameters

NAME = "efficientdet"
STRIDES = (8, 16, 32, 64, 128)
SCALES_PER_OCTAVE = 3
ASPECT_RATIOS = (1.0, 2.0, 0.5)
ANCHORS_PER_CELL = SCALES_PER_OCTAVE * len(ASPECT_RATIOS)


@settings
class EfficientDetParameters(SuppressionParameters):
    """Parameters of ``efficientdet``."""

    classes: Annotated[int, Ge(1), Le(65_536)]
    """How many classes the network tells apart; there is none for the background."""

    anchor_scale: Annotated[float, Gt(0), Le(100)]
    """Size of the smallest square anchor of a level in its strides: 3 for Lite0 to 2, 4 for most others."""

    strides: Strides = STRIDES
    """Input pixels between the cells of each level, in the order in which levels are joined."""

    scales_per_octave: Annotated[int, Ge(1), Le(8)] = SCALES_PER_OCTAVE
    """Sizes of anchors in a cell, from `anchor_scale` up to twice that."""

    aspect_ratios: Annotated[tuple[float, ...], MinLen(1), Gt(0), Le(100)] = ASPECT_RATIOS
    """Width by height of the anchors of each size."""

    activation: Activation = "sigmoid"
    """`none` if the graph puts out probabilities."""


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Dense:
    """Fit the decoder to a model; raises ModelRejected where its outputs do not fit."""
    chosen = parse(EfficientDetParameters, parameters, NAME)
    levels = grid(inputs, chosen.strides, NAME).levels
    layout = Layout((("boxes", 4), ("classes", chosen.classes)), per_cell=chosen.scales_per_octave * len(chosen.aspect_ratios))
    parts = arrange(NAME, outputs, layout, levels)
    anchors = anchor_boxes(levels, chosen.anchor_scale, chosen.scales_per_octave, chosen.aspect_ratios)

    def corners(rows: NDArray[np.float32], index: NDArray[np.intp]) -> NDArray[np.float32]:
        at = anchors[index]
        shift, growth = rows[:, [1, 0]], rows[:, [3, 2]]
        centre, half = at[:, :2] + shift * at[:, 2:], np.exp(growth) * at[:, 2:] / 2
        return np.concatenate([centre - half, centre + half], axis=1)

    return Dense(parts, outputs, corners, chosen, chosen.activation, classes=chosen.classes)


def anchor_boxes(
    levels: Sequence[tuple[int, int]], anchor_scale: float, scales_per_octave: int, aspect_ratios: Sequence[float]
) -> NDArray[np.float32]:
    """Anchors of grids of ``levels`` (rows, columns) as centre x, y, width, height, float32 (n, 4), normalised to the input.

    Level by level, cell by cell, then size by size and ratio by ratio. The side of an anchor is counted in cells, and a cell is the
    input divided by the grid, also where the stride does not divide the input.
    """
    sides = [anchor_scale * 2 ** (scale / scales_per_octave) for scale in range(scales_per_octave)]
    sizes = np.array([(side * ratio**0.5, side / ratio**0.5) for side in sides for ratio in aspect_ratios])
    grids = []
    for rows, columns in levels:
        cell = np.array([1 / columns, 1 / rows])
        centres = (np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 1, 2) + 0.5) * cell
        both = np.broadcast_arrays(centres, sizes * cell)
        grids.append(np.concatenate(both, axis=-1).reshape(-1, 4).astype(np.float32))
    return np.concatenate(grids)


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for boxes and classes of the anchors that the published models have."""
    n, levels = ANCHORS_PER_CELL, level_sizes(inputs, STRIDES)
    total = sum(rows * columns for rows, columns in levels) * n
    forms: tuple[tuple[int, list[tuple[int, ...]]], ...] = ((1, [(1, total)]), (n, [(1, *level) for level in levels]))
    for joined, grids in forms:
        boxes = Counter((*shape, 4 * joined) for shape in grids)
        rest = Counter(spec.shape for spec in outputs) - boxes
        width = max((shape[-1] for shape in rest if shape), default=0)
        if (
            levels
            and rest == Counter((*shape, width) for shape in grids)
            and width % joined == 0
            and len(outputs) == 2 * len(grids)
        ):
            why = (
                f"boxes and classes for the {total} anchors that EfficientDet has for this input; anchor_scale is 3 for most Lite "
                "models and 4 for the others: check it on a picture"
            )
            return Proposal(NAME, why, {"classes": width // joined, "anchor_scale": 3.0})
    return None
