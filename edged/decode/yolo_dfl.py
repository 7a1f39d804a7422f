"""Decoder ``yolo_dfl``: the raw heads of YOLOv8, v9 and v11, cut off before the graph decodes them.

An output [1, rows, columns, 64 + classes] for each stride: 16 values for each side of the box (left, top, right, bottom), then a
logit for each class. Toolchains of accelerators cut graphs here, since what follows does not quantise well. Boxes as in
``edged.decode.distribution``, from the middles of the cells (https://github.com/ultralytics/ultralytics, utils/tal.py).
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

NAME = "yolo_dfl"
BINS = 16
STRIDES = (8, 16, 32)


@settings
class YoloDflParameters(DistributionParameters):
    """Parameters of ``yolo_dfl``."""

    strides: Strides = STRIDES
    bins: Annotated[int, Ge(2), Le(64)] = BINS
    cell_offset: Annotated[float, Ge(0), Le(1)] = 0.5
    activation: Activation = "sigmoid"


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Dense:
    """Fit the decoder to a model; raises ModelRejected where its outputs do not fit."""
    return build_distribution(NAME, parse(YoloDflParameters, parameters, NAME), inputs, outputs, boxes_first=True)


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for grids of 64 box values, alone or with the classes."""
    widths: dict[tuple[int, ...], list[int]] = {level: [] for level in level_sizes(inputs, STRIDES)}
    for spec in outputs:
        if len(spec.shape) != 4 or spec.shape[0] != 1 or spec.shape[1:3] not in widths:
            return None
        widths[spec.shape[1:3]].append(spec.shape[3])
    alike = {tuple(sorted(found)) for found in widths.values()}
    match alike.pop() if len(alike) == 1 else ():
        case [both] if both > 4 * BINS:
            classes = both - 4 * BINS
        case [one, other] if 4 * BINS in (one, other) and one != other:
            classes = other if one == 4 * BINS else one
        case _:
            return None
    why = "grids with strides 8, 16 and 32 that hold 64 values beside the classes, the raw heads of YOLOv8 and v11"
    return Proposal(NAME, f"{why}; check on a picture whether scores still need the sigmoid", {"classes": classes})
