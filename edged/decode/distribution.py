"""Boxes as four distributions: how far each side is from the cell, as probabilities of 0, 1, 2 ... cells.

The head of Generalized Focal Loss (Li et al., NeurIPS 2020) that YOLOv8, v9, v11 and NanoDet have. A side's distance is the mean of
its distribution, in strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from edged.core.settings import settings
from edged.core.tensor import TensorSpec
from edged.decode.dense import Dense
from edged.decode.grid import Strides, grid
from edged.decode.layout import Layout, Role, arrange
from edged.decode.scores import Activation
from edged.decode.suppression import SuppressionParameters


@settings
class DistributionParameters(SuppressionParameters):
    """What the decoders of such heads share."""

    classes: Annotated[int, Ge(1), Le(65_536)]
    """How many classes the network tells apart."""

    strides: Strides
    """Input pixels between the cells of each level, in the order in which levels are joined."""

    bins: Annotated[int, Ge(2), Le(64)]
    """Values of a distribution."""

    cell_offset: Annotated[float, Ge(0), Le(1)]
    """Where in its cell an anchor lies, in strides: 0.5 is the middle, 0 the upper left corner."""

    activation: Activation
    """`sigmoid` if the graph puts out logits of the classes, else `none`."""


def build_distribution(
    name: str, chosen: DistributionParameters, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], *, boxes_first: bool
) -> Dense:
    """The decoder ``name`` for a head that joins boxes or classes first; raises ModelRejected where outputs do not fit."""
    cells = grid(inputs, chosen.strides, name)
    fields: tuple[tuple[Role, int], ...] = (("boxes", 4 * chosen.bins), ("classes", chosen.classes))
    layout = Layout(fields if boxes_first else fields[::-1])
    centre: NDArray[np.float32] = (cells.xy + np.float32(chosen.cell_offset)) * cells.stride

    def corners(rows: NDArray[np.float32], anchors: NDArray[np.intp]) -> NDArray[np.float32]:
        distance = expectation(rows.reshape(-1, 4, chosen.bins)) * cells.stride[anchors]
        at = centre[anchors]
        xyxy: NDArray[np.float32] = np.concatenate([at - distance[:, :2], at + distance[:, 2:]], axis=1)
        return xyxy / cells.input_px

    return Dense(arrange(name, outputs, layout, cells.levels), outputs, corners, chosen, chosen.activation, classes=chosen.classes)


def expectation(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of softmax distributions over 0, 1, 2 ... along the last axis, which is taken away."""
    weight = np.exp(logits - logits.max(axis=-1, keepdims=True))
    mean: NDArray[np.float32] = weight @ np.arange(logits.shape[-1], dtype=np.float32) / weight.sum(axis=-1)
    return mean
