"""Decoder ``classification``: one score for each class of the whole picture.

One output [1, C] (or [1, 1, 1, C]). Each of the best classes becomes a detection whose box is the whole picture, so that a state of
the scene appears, lasts and leaves as an object does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.scores import sigmoid
from edged.decode.softmax import softmax

NAME = "classification"
WHOLE_PICTURE = np.array([0, 0, 1, 1], np.float32)


@settings
class ClassificationParameters:
    """Parameters of ``classification``."""

    score_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Classes below are left out. A tracker that uses weak detections needs its own lower threshold here."""

    top_k: Annotated[int, Ge(1), Le(100)] = 1
    """How many classes are reported at most, the best ones."""

    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """What is left to be done to the scores: `none` where the graph ends in SOFTMAX or LOGISTIC, else `softmax`, or `sigmoid`
    where several classes may hold at once."""

    background: bool = False
    """Whether column 0 means that none of the classes is there; where it is the best nothing is reported in its place."""

    label_offset: Annotated[int, Ge(-1), Le(1)] = 0
    """What is added to the column to find the label: -1 where the labels begin behind the background."""


ROUNDING = 1e-3
"""How far above 1 the arithmetic of a softmax may end; of quantised scores it is one step."""


class Classification:
    """The decoder."""

    def __init__(self, parameters: ClassificationParameters, columns: int) -> None:
        self.classes = columns + parameters.label_offset
        self._parameters = parameters

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode one inference. Scores that make no sense (NaN, above 1) are dropped; a last step of rounding above 1 is 1."""
        chosen = self._parameters
        score = outputs[0].real().reshape(-1)
        if chosen.activation != "none":
            score = sigmoid(score) if chosen.activation == "sigmoid" else softmax(score)
        best = np.argsort(-score, kind="stable")[: chosen.top_k]  # NaN goes last
        keep = (score[best] >= np.float32(chosen.score_threshold)) & (score[best] <= 1 + max(outputs[0].spec.scale, ROUNDING))
        if chosen.background:
            keep &= best != 0
        best = best[keep & (best + chosen.label_offset >= 0)]
        boxes = np.tile(WHOLE_PICTURE, (len(best), 1))
        return Detections(boxes, np.minimum(score[best], 1), (best + chosen.label_offset).astype(np.int32))


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Classification:
    """Fit the decoder to a model; raises ModelRejected where its output is not one score for each class."""
    chosen = parse(ClassificationParameters, parameters, NAME)
    if not _fit(outputs):
        raise ModelRejected(
            f"{NAME} expects one output [1xC], a score for each class; "
            f"the model has {'; '.join(map(str, outputs)) or 'no outputs'}",
            hint="check the decoder that the manifest names",
        )
    return Classification(chosen, outputs[0].shape[-1])


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for one row of numbers from a picture; whether they are scores of classes its maker knows."""
    if not _fit(outputs) or outputs[0].shape[-1] < 2 or [len(spec.shape) for spec in inputs] != [4]:
        return None
    within_one = outputs[0].quantised and outputs[0].scale <= 1 / 255  # eight bits of it hold probabilities and nothing else
    activation = "none" if within_one or {"LOGISTIC", "SOFTMAX"} & set(op_names) else "softmax"
    why = "a picture goes in and one row of numbers comes out, as of a classifier: check it, and the activation, on a picture"
    return Proposal(NAME, why, {"activation": activation})


def _fit(outputs: Sequence[TensorSpec]) -> bool:
    shapes = [spec.shape for spec in outputs]
    return len(shapes) == 1 and len(shapes[0]) in (2, 4) and prod(shapes[0]) == shapes[0][-1] >= 1
