"""Decoder ``yolo``: YOLO detectors whose graph decodes its boxes itself, and leaves suppression to the host.

One output with a row for each anchor: x, y, w, h, then objectness (YOLOv5 and v7; YOLOX exported with its decoding), then a score
for each class. Ultralytics' YOLOv8 and v11 have no objectness and put the anchors last, [1, 84, 8400]. Exports to TFLite by
Ultralytics normalise boxes to the input; other converters leave pixels. No shape tells which: the manifest does
(https://github.com/ultralytics/ultralytics, nn/modules/head.py; https://github.com/ultralytics/yolov5, models/tf.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import TensorSpec
from edged.decode.dense import Dense
from edged.decode.grid import input_size, level_sizes
from edged.decode.layout import Layout, Role, Table
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.scores import Activation
from edged.decode.suppression import SuppressionParameters

NAME = "yolo"
STRIDES = ((8, 16, 32), (8, 16, 32, 64))
"""Of the published models, for proposals only."""

ANCHOR_BASED = 3
"""Boxes that YOLOv5 and v7 predict in each cell; later ones predict one."""


@settings
class YoloParameters(SuppressionParameters):
    """Parameters of ``yolo``."""

    classes: Annotated[int, Ge(1), Le(65_536)]
    """How many classes the network tells apart."""

    layout: Literal["rows", "columns"]
    """`rows` is [1, anchors, numbers], `columns` is [1, numbers, anchors]."""

    objectness: bool
    """Whether an objectness stands between box and classes; a score is then objectness x class."""

    coordinates: Literal["normalised", "pixels"]
    """Whether boxes are in 0..1 of the input or in its pixels."""

    boxes: Literal["xywh", "xyxy"] = "xywh"
    """Centre and size, or two corners."""

    activation: Activation = "none"
    """`sigmoid` if the graph puts out logits of objectness and classes."""


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Dense:
    """Fit the decoder to a model; raises ModelRejected where its output does not fit."""
    chosen = parse(YoloParameters, parameters, NAME)
    height, width = input_size(inputs, NAME)
    fields: list[tuple[Role, int]] = [("boxes", 4), ("objectness", 1), ("classes", chosen.classes)]
    layout = Layout(tuple(field for field in fields if chosen.objectness or field[0] != "objectness"))
    by_columns = chosen.layout == "columns"
    shapes = [spec.shape for spec in outputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1 or shapes[0][1 if by_columns else 2] != layout.width:
        form = f"[1x{layout.width}xN]" if by_columns else f"[1xNx{layout.width}]"
        objectness = "objectness and " if chosen.objectness else ""
        raise ModelRejected(
            f"{NAME} expects one output {form} (4 box numbers, {objectness}{chosen.classes} classes in {chosen.layout}), "
            f"the model has {'; '.join(map(str, outputs)) or 'no outputs'}",
            hint="check layout, objectness and classes in the manifest",
        )
    table = Table(0, shapes[0], shapes[0][2 if by_columns else 1], transposed=by_columns)
    size = np.array([width, height] * 2 if chosen.coordinates == "pixels" else [1] * 4, np.float32)

    def corners(rows: NDArray[np.float32], anchors: NDArray[np.intp]) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = rows / size
        if chosen.boxes == "xyxy":
            return scaled
        centre, half = scaled[:, :2], scaled[:, 2:] / 2
        return np.concatenate([centre - half, centre + half], axis=1)

    return Dense([layout.part(0, [table])], outputs, corners, chosen, chosen.activation, classes=chosen.classes)


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for one output with as many anchors as a published YOLO has for this input."""
    if [len(spec.shape) for spec in outputs] != [3]:
        return None
    _, first, second = outputs[0].shape
    for strides in STRIDES:
        cells = sum(rows * columns for rows, columns in level_sizes(inputs, strides))
        for anchors, objectness, family in ((cells, False, "YOLOv8 and v11"), (ANCHOR_BASED * cells, True, "YOLOv5 and v7")):
            if anchors not in (first, second):
                continue
            layout = "columns" if second == anchors else "rows"
            classes = (first if second == anchors else second) - 4 - int(objectness)
            if classes < 1:
                return None
            why = (
                f"the output has the {anchors} anchors that {family} have for this input; whether boxes are normalised or pixels "
                "no shape tells, nor whether a row of one box a cell begins its classes with objectness: check it on a picture"
            )
            chosen: dict[str, Parameter] = {"classes": classes, "layout": layout, "objectness": objectness}
            return Proposal(NAME, why, {**chosen, "coordinates": "normalised"})
    return None
