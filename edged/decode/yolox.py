"""Decoder ``yolox``: YOLOX (Ge et al., 2021) as it is exported without its decoding.

A row for each cell of strides 8, 16 and 32: x, y, w, h, objectness, and a score for each class. The centre lies at (cell + xy) x
stride, the size is exp(wh) x stride, both in input px; a score is objectness x class. The exporter applies the sigmoid
(https://github.com/Megvii-BaseDetection/YOLOX, yolox/models/yolo_head.py). With ``decode_in_inference`` it is decoder ``yolo``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
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

NAME = "yolox"
STRIDES = (8, 16, 32)


@settings
class YoloxParameters(SuppressionParameters):
    """Parameters of ``yolox``."""

    classes: Annotated[int, Ge(1), Le(65_536)]
    """How many classes the network tells apart."""

    strides: Strides = STRIDES
    """Input pixels between the cells of each level, in the order in which levels are joined."""

    activation: Activation = "none"
    """`sigmoid` if the graph puts out logits of objectness and classes."""


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Dense:
    """Fit the decoder to a model; raises ModelRejected where its outputs do not fit."""
    chosen = parse(YoloxParameters, parameters, NAME)
    cells = grid(inputs, chosen.strides, NAME)
    layout = Layout((("boxes", 4), ("objectness", 1), ("classes", chosen.classes)))

    def corners(rows: NDArray[np.float32], anchors: NDArray[np.intp]) -> NDArray[np.float32]:
        centre, half = cells.xy[anchors] + rows[:, :2], np.exp(rows[:, 2:]) / 2
        return np.concatenate([centre - half, centre + half], axis=1) * cells.stride[anchors] / cells.input_px

    return Dense(arrange(NAME, outputs, layout, cells.levels), outputs, corners, chosen, chosen.activation, classes=chosen.classes)


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for rows of 85, which is what COCO's 80 classes and an objectness make."""
    levels = level_sizes(inputs, STRIDES)
    wanted: tuple[list[tuple[int, ...]], ...] = ([(1, sum(h * w for h, w in levels), 85)], [(1, h, w, 85) for h, w in levels])
    if not levels or sorted(spec.shape for spec in outputs) not in [sorted(shapes) for shapes in wanted]:
        return None
    why = (
        "85 numbers (a box, objectness, COCO's 80 classes) for each cell of strides 8, 16 and 32; if the graph decodes its boxes "
        "itself it is decoder yolo with pixels: check it on a picture"
    )
    return Proposal(NAME, why, {"classes": 80})
