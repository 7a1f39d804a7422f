"""Decoder ``blazeface``: MediaPipe's short-range face detector (Bazarevsky et al., "BlazeFace", 2019).

Input 128 x 128; 896 anchors: two a cell on a 16 x 16 grid, then six a cell on an 8 x 8 grid. Of the 16 regressors of an anchor
the first four are the box (centre x, y relative to the anchor, width, height, all in input px); the rest are key points, which
are not used. The published model joins the grids to [1, 896, 16] and [1, 896, 1]; some conversions leave a pair for each grid.
Numbers as in mediapipe/modules/face_detection/face_detection_short_range.pbtxt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf, log
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode.anchors import anchor_centres
from edged.decode.nms import blend
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.results import tidy

NAME = "blazeface"
INPUT_PX = 128
STRIDES = (8, 16, 16, 16)
ANCHORS_PER_LAYER = 2
REGRESSORS = 16
LAYOUTS = ((896,), (512, 384))
"""How the anchors are spread over the outputs, in the order of the grids."""

LOGIT_LIMIT = 100.0
"""Beyond it a score is 0 or 1. Its exponential needs float64."""

Places = tuple[tuple[int, int], ...]
"""The positions of regressors and scores among the outputs, a pair for each part of the layout."""


@settings
class BlazeFaceParameters:
    """Parameters of ``blazeface``."""

    score_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Faces below are left out."""

    iou_threshold: Annotated[float, Ge(0), Le(1)] = 0.3
    """Boxes that overlap more than this are one face, and are blended."""


class BlazeFace:
    """The decoder; every face is of class 0."""

    def __init__(self, parameters: BlazeFaceParameters, places: Places) -> None:
        self._least_logit = _logit(parameters.score_threshold)
        self._iou_threshold = parameters.iou_threshold
        self._places = places
        self._centres = anchor_centres(INPUT_PX, STRIDES, ANCHORS_PER_LAYER)

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode one inference; only anchors above the threshold are computed."""
        logit = np.concatenate([outputs[score].real().reshape(-1) for _, score in self._places])
        keep = np.flatnonzero(logit >= self._least_logit)
        if not len(keep):
            return Detections.empty()
        raw = np.concatenate([outputs[regressor].real().reshape(-1, REGRESSORS) for regressor, _ in self._places])[keep, :4]
        centre, half = raw[:, :2] / INPUT_PX + self._centres[keep], raw[:, 2:] / (2 * INPUT_PX)
        score = (1 / (1 + np.exp(-np.clip(logit[keep], -LOGIT_LIMIT, LOGIT_LIMIT, dtype=np.float64)))).astype(np.float32)
        with np.errstate(invalid="ignore"):  # infinite numbers make NaN here, which tidy drops
            corners = np.concatenate([centre - half, centre + half], axis=1)
        found = tidy(corners, score, np.zeros(len(keep), np.int32))
        xyxy, score = blend(found.xyxy, found.score, self._iou_threshold)
        return Detections(xyxy, score, np.zeros(len(score), np.int32))


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> BlazeFace:
    """Fit the decoder to a model; raises ModelRejected where its input or outputs do not fit."""
    chosen = parse(BlazeFaceParameters, parameters, NAME)
    places = _places(inputs, outputs)
    if places is None:
        raise ModelRejected(
            f"{NAME} expects an input [1x128x128x3] and outputs [1xNx16] and [1xNx1] with N of 896, or of 512 and of 384; "
            f"the model has {'; '.join(map(str, (*inputs, *outputs)))}",
            hint="check the decoder that the manifest names: other BlazeFace models have other anchors",
        )
    return BlazeFace(chosen, places)


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for models of just these shapes."""
    if _places(inputs, outputs) is None:
        return None
    return Proposal(NAME, "input and outputs have the shapes of MediaPipe's short-range face detector")


def _places(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Places | None:
    if [spec.shape for spec in inputs] != [(1, INPUT_PX, INPUT_PX, 3)]:
        return None
    shapes = [spec.shape for spec in outputs]
    for layout in LAYOUTS:
        wanted = [((1, n, REGRESSORS), (1, n, 1)) for n in layout]
        if sorted(shapes) == sorted(shape for pair in wanted for shape in pair):
            return tuple((shapes.index(regressor), shapes.index(score)) for regressor, score in wanted)
    return None


def _logit(probability: float) -> float:
    if probability in (0, 1):
        return inf if probability else -inf
    return log(probability / (1 - probability))
