"""Decoder ``ssd_corners``: an SSD without a post-processing operator that puts out its anchors.

Three outputs: scores [1, N, C] with the background as class 0, offsets [1, N, 4] and anchors [1, N, 4] as xmin, ymin, xmax, ymax
normalised to the input. A corner lies at the anchor's corner plus offset x the anchor's size on that axis: the encoding of the
SSD MobileNet models of STMicroelectronics' model zoo. Offsets and anchors have the same shape, so the manifest tells them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import nms
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.results import tidy

NAME = "ssd_corners"
ROLES = ("scores", "offsets", "anchors")
MAX_CANDIDATES = 400
"""Boxes that enter suppression at most, the best ones: a picture full of noise must not take seconds."""


@settings
class CornerParameters:
    """Parameters of ``ssd_corners``."""

    output_order: str = ""
    """The roles of the outputs in the interpreter's order: `scores,offsets,anchors` in the order that the model has."""

    score_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Detections below are left out. A tracker that uses weak detections needs its own lower threshold here."""

    iou_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Of two boxes of a class that overlap more than this the weaker one is left out."""


class SsdCorners:
    """The decoder; ``places`` holds the position of each of ``ROLES`` among the outputs, ``classes`` counts the background."""

    def __init__(self, parameters: CornerParameters, places: Sequence[int], classes: int) -> None:
        self.classes = classes
        self._threshold = np.float32(parameters.score_threshold)
        self._iou_threshold = parameters.iou_threshold
        self._places = tuple(places)

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode one inference; a box counts for its best class only, and not at all where that is the background."""
        scores, offsets, anchors = (outputs[place].real()[0] for place in self._places)
        objects = scores[:, 1:]
        best = objects.max(axis=1)  # NaN anywhere in a row makes it NaN, which no threshold lets through
        keep = np.flatnonzero((best >= self._threshold) & (best <= 1) & (best >= scores[:, 0]))
        keep = keep[np.argsort(-best[keep], kind="stable")[:MAX_CANDIDATES]]
        if not len(keep):
            return Detections.empty()
        corners = anchors[keep]
        with np.errstate(invalid="ignore", over="ignore"):  # numbers beyond measure make boxes that tidy drops
            size = corners[:, 2:] - corners[:, :2]
            boxes = corners + offsets[keep] * np.concatenate([size, size], axis=1)
        found = tidy(boxes, best[keep], objects[keep].argmax(axis=1).astype(np.int32) + np.int32(1))
        return found.take(nms.suppress(found.xyxy, found.score, self._iou_threshold, found.class_id))


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> SsdCorners:
    """Fit the decoder to a model; raises ModelRejected where its outputs do not fit or are not told apart."""
    chosen = parse(CornerParameters, parameters, NAME)
    roles = tuple(word.strip() for word in chosen.output_order.split(","))
    if sorted(roles) != sorted(ROLES):
        raise ModelRejected(
            f"output_order of decoder {NAME} is {chosen.output_order!r}",
            hint=f"offsets and anchors look alike: the manifest has to name each of {', '.join(ROLES)} once, in their order",
        )
    shapes = dict(zip(roles, (spec.shape for spec in outputs), strict=False))
    if len(outputs) != len(ROLES) or not _fit(shapes["scores"], shapes["offsets"], shapes["anchors"]):
        raise ModelRejected(
            f"{NAME} expects scores [1xNxC], offsets [1xNx4] and anchors [1xNx4] as {chosen.output_order}, "
            f"the model has {'; '.join(map(str, outputs)) or 'no outputs'}",
            hint="check the decoder and its output_order in the manifest",
        )
    return SsdCorners(chosen, [roles.index(role) for role in ROLES], shapes["scores"][2])


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for three outputs of its shapes; which of the two alike is which only a picture can tell."""
    shapes = [spec.shape for spec in outputs]
    if len(shapes) != len(ROLES):
        return None
    for place in range(len(ROLES)):
        rest = [number for number in range(len(ROLES)) if number != place]
        if _fit(shapes[place], *(shapes[number] for number in rest)) and shapes[place][2] != 4:
            roles = {place: "scores", rest[0]: "offsets", rest[1]: "anchors"}
            order = ",".join(roles[number] for number in range(len(ROLES)))
            why = "scores and two outputs of boxes, as SSDs have that put out their anchors; these may be the other way round"
            return Proposal(NAME, f"{why}: check it on a picture", {"output_order": order})
    return None


def _fit(scores: tuple[int, ...], offsets: tuple[int, ...], anchors: tuple[int, ...]) -> bool:
    return len(scores) == 3 and scores[0] == 1 and scores[2] >= 2 and offsets == anchors == (1, scores[1], 4)
