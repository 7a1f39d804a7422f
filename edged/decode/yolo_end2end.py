"""Decoder ``yolo_end2end``: YOLO detectors that need no suppression in the host.

One output [1, N, 6], a row for each detection: x0, y0, x1, y1, score, class. YOLOv10 and v26 are trained so; Ultralytics' export
with ``nms=True`` puts the suppression into the graph. Rows that hold nothing have score 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode.grid import input_size
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.results import tidy
from edged.decode.scores import ScoreReader

NAME = "yolo_end2end"
NUMBERS = 6
MOST_ROWS = 1000
"""More detections than any exporter asks for; used for proposals only."""


@settings
class End2EndParameters:
    """Parameters of ``yolo_end2end``."""

    classes: Annotated[int, Ge(1), Le(65_536)]
    """How many classes the network tells apart; rows of other classes are dropped."""

    coordinates: Literal["normalised", "pixels"]
    """Whether boxes are in 0..1 of the input or in its pixels."""

    score_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Detections below are left out. A tracker that uses weak detections needs its own lower threshold here."""


class End2End:
    """The decoder. A class is the nearest whole number, since a quantised output may miss it by a fraction."""

    def __init__(self, parameters: End2EndParameters, inputs: Sequence[TensorSpec], output: TensorSpec) -> None:
        height, width = input_size(inputs, NAME)
        self._size = np.array([width, height] * 2 if parameters.coordinates == "pixels" else [1] * 4, np.float32)
        self.classes = parameters.classes
        self._shape = output.shape
        self._read = ScoreReader(output, "none", parameters.score_threshold)

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode one inference. Rows with numbers that make no sense are dropped, never repaired."""
        data = outputs[0].data
        if data.shape != self._shape:
            raise ModelRejected(f"output {outputs[0].spec} has the shape {data.shape} after an inference")
        seen = self._read(data[0, :, 4:5])
        rows = outputs[0].spec.real(data[0][seen.index])
        class_id = np.round(rows[:, 5])
        good = (class_id >= 0) & (class_id < self.classes)
        return tidy(rows[good, :4] / self._size, seen.score[good], class_id[good].astype(np.int32))


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> End2End:
    """Fit the decoder to a model; raises ModelRejected where its output does not fit."""
    chosen = parse(End2EndParameters, parameters, NAME)
    shapes = [spec.shape for spec in outputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1 or shapes[0][2] != NUMBERS:
        raise ModelRejected(
            f"{NAME} expects one output [1xNx{NUMBERS}] (x0, y0, x1, y1, score, class), "
            f"the model has {'; '.join(map(str, outputs)) or 'no outputs'}",
            hint="check the decoder that the manifest names",
        )
    return End2End(chosen, inputs, outputs[0])


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for one output of rows of six."""
    shapes = [spec.shape for spec in outputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][2] != NUMBERS or not 1 <= shapes[0][1] <= MOST_ROWS:
        return None
    why = (
        "rows of six, as detectors with suppression in the graph have them (x0, y0, x1, y1, score, class); classes is a guess, and "
        " whether boxes are normalised or pixels only a picture tells"
    )
    return Proposal(NAME, why, {"classes": 80, "coordinates": "normalised"})
