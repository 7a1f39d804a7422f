"""Decoder ``nanodet``: NanoDet and NanoDet-Plus.

A row for each cell of strides 8, 16, 32 and 64: scores of the classes, then 8 values for each side of the box. Boxes as in
``edged.decode.distribution``. The exporter applies the sigmoid. NanoDet-Plus measures from the upper left corner of a cell, the
first NanoDet from its middle (https://github.com/RangiLyu/nanodet, model/head/nanodet_plus_head.py and gfl_head.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

from annotated_types import Ge, Le

from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import TensorSpec
from edged.decode.dense import Dense
from edged.decode.distribution import DistributionParameters, build_distribution
from edged.decode.grid import Strides, level_sizes
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.scores import Activation

NAME = "nanodet"
BINS = 8
STRIDES = (8, 16, 32, 64)


@settings
class NanoDetParameters(DistributionParameters):
    """Parameters of ``nanodet``."""

    strides: Strides = STRIDES
    bins: Annotated[int, Ge(2), Le(64)] = BINS
    cell_offset: Annotated[float, Ge(0), Le(1)] = 0.0
    activation: Activation = "none"


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Dense:
    """Fit the decoder to a model; raises ModelRejected where its outputs do not fit."""
    return build_distribution(NAME, parse(NanoDetParameters, parameters, NAME), inputs, outputs, boxes_first=False)


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for one output of as many rows as the published models have."""
    cells = sum(rows * columns for rows, columns in level_sizes(inputs, STRIDES))
    shapes = [spec.shape for spec in outputs]
    if not cells or len(shapes) != 1 or shapes[0][:2] != (1, cells) or len(shapes[0]) != 3 or shapes[0][2] <= 4 * BINS:
        return None
    width = shapes[0][2]
    why = (
        f"a row of {width} for each of the {cells} cells of strides 8 to 64, as NanoDet-Plus has; the first NanoDet needs "
        "cell_offset = 0.5: check it on a picture"
    )
    return Proposal(NAME, why, {"classes": width - 4 * BINS})
