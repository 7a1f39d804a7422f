"""Decoder ``blazeface``: MediaPipe's face detectors (Bazarevsky et al., "BlazeFace", 2019), told apart by the size of their input.

Of the 16 regressors of an anchor the first four are the box (centre x, y relative to the anchor, width, height, all in input px);
the rest are key points, which are not used. The published models join the grids to [1, N, 16] and [1, N, 1]; some conversions leave
a pair for each grid. Numbers as in face_detection_short_range.pbtxt, face_detection_full_range.pbtxt and, for the back camera,
face_detection_back_desktop_live.pbtxt of MediaPipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode.anchors import anchor_centres, cells
from edged.decode.nms import blend
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.results import tidy
from edged.decode.scores import logit, sigmoid

NAME = "blazeface"
REGRESSORS = 16

Places = tuple[tuple[int, int], ...]
"""The positions of regressors and scores among the outputs, a pair for each part of the layout."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the published networks: its square input, and the anchors that its layers add to each cell."""

    input_px: int
    strides: tuple[int, ...]
    per_layer: int

    def layouts(self) -> tuple[tuple[int, ...], ...]:
        """How many anchors each pair of outputs may have: all joined, or those of each grid."""
        grids = tuple(
            cells(self.input_px, stride) ** 2 * self.per_layer * len(list(layers)) for stride, layers in groupby(self.strides)
        )
        return ((sum(grids),), grids)


VARIANTS = (
    Variant(128, (8, 16, 16, 16), 2),  # short range, once "front camera": faces within 2 m
    Variant(192, (4,), 1),  # full range, dense and sparse: within 5 m
    Variant(256, (16, 32, 32, 32), 2),  # back camera
)


@settings
class BlazeFaceParameters:
    """Parameters of ``blazeface``."""

    score_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Faces below are left out."""

    iou_threshold: Annotated[float, Ge(0), Le(1)] = 0.3
    """Boxes that overlap more than this are one face, and are blended."""


class BlazeFace:
    """The decoder; every face is of class 0."""

    def __init__(self, parameters: BlazeFaceParameters, variant: Variant, places: Places) -> None:
        self.classes = 1
        self._least_logit = logit(parameters.score_threshold)
        self._iou_threshold = parameters.iou_threshold
        self._places = places
        self._input_px = variant.input_px
        self._centres = anchor_centres(variant.input_px, variant.strides, variant.per_layer)

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode one inference; only anchors above the threshold are computed."""
        logits = np.concatenate([outputs[score].real().reshape(-1) for _, score in self._places])
        keep = np.flatnonzero(logits >= self._least_logit)
        if not len(keep):
            return Detections.empty()
        raw = self._boxes(outputs, keep) / np.float32(self._input_px)
        centre, half = raw[:, :2] + self._centres[keep], raw[:, 2:] / 2
        with np.errstate(invalid="ignore"):  # infinite numbers make NaN here, which tidy drops
            corners = np.concatenate([centre - half, centre + half], axis=1)
        found = tidy(corners, sigmoid(logits[keep]), np.zeros(len(keep), np.int32))
        xyxy, score = blend(found.xyxy, found.score, self._iou_threshold)
        return Detections(xyxy, score, np.zeros(len(score), np.int32))

    def _boxes(self, outputs: Sequence[RawOutput], keep: NDArray[np.intp]) -> NDArray[np.float32]:
        """The box numbers (k, 4) of the anchors ``keep``, which rise."""
        parts, start = [], 0
        for regressor, _ in self._places:
            rows = outputs[regressor].data.reshape(-1, REGRESSORS)
            mine = keep[(keep >= start) & (keep < start + len(rows))] - start
            parts.append(outputs[regressor].spec.real(rows[mine, :4]))
            start += len(rows)
        return np.concatenate(parts)


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> BlazeFace:
    """Fit the decoder to a model; raises ModelRejected where its input or outputs do not fit."""
    chosen = parse(BlazeFaceParameters, parameters, NAME)
    found = _recognised(inputs, outputs)
    if found is None:
        known = ", ".join(
            f"[1x{v.input_px}x{v.input_px}x3] with {' or '.join(' + '.join(map(str, n)) for n in dict.fromkeys(v.layouts()))}"
            for v in VARIANTS
        )
        raise ModelRejected(
            f"{NAME} expects outputs [1xNx16] and [1xNx1] for the anchors of one of its inputs, {known}; "
            f"the model has {'; '.join(map(str, (*inputs, *outputs)))}",
            hint="check the decoder that the manifest names: other BlazeFace models have other anchors",
        )
    return BlazeFace(chosen, *found)


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for models of just these shapes."""
    if _recognised(inputs, outputs) is None:
        return None
    return Proposal(NAME, "input and outputs have the shapes of one of MediaPipe's face detectors")


def _recognised(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> tuple[Variant, Places] | None:
    shapes = [spec.shape for spec in outputs]
    for variant in VARIANTS:
        if [spec.shape for spec in inputs] != [(1, variant.input_px, variant.input_px, 3)]:
            continue
        for layout in variant.layouts():
            wanted = [((1, n, REGRESSORS), (1, n, 1)) for n in layout]
            if sorted(shapes) == sorted(shape for pair in wanted for shape in pair):
                return variant, tuple((shapes.index(regressor), shapes.index(score)) for regressor, score in wanted)
    return None
