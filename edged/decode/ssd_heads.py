"""Decoder ``ssd_heads``: the raw heads of an SSD, boxes still relative to anchors and nothing suppressed.

Two outputs: boxes [1, N, 4] and scores [1, N, C]. A box is the anchor's centre moved by t / 10 of the anchor's size, and that size
times exp(t / 5): the encoding of Faster R-CNN (Ren et al., 2015) with the variances of the SSD paper, which nearly all SSDs share.
The anchors are worked out from the training configuration, listed in the manifest, or a third output [1, N, 4].
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.scores import Candidates, ScoreReader
from edged.decode.softmax import SoftmaxReader
from edged.decode.ssd_configuration import XYWH, HeadParameters, anchors_of, published
from edged.decode.suppression import best, suppressed

NAME = "ssd_heads"
ROLES = ("boxes", "scores")
ANCHORS = "anchors"


class SsdHeads:
    """The decoder; ``places`` holds the positions of boxes and scores among the outputs ``specs``, ``anchors`` float32 (N, 4) as
    centre x, centre y, width, height, or the position of the output that has them."""

    def __init__(
        self,
        parameters: HeadParameters,
        specs: Sequence[TensorSpec],
        places: tuple[int, int],
        anchors: NDArray[np.float32] | int,
    ) -> None:
        self.classes = specs[places[1]].shape[2] + parameters.label_offset
        self._parameters = parameters
        self._boxes, self._scores = places
        self._anchors = anchors
        self._xywh = XYWH[parameters.box_order]
        self._read = _reader(parameters, specs[places[1]])

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode one inference; a box counts for its best class only."""
        chosen = self._parameters
        found = self._read(outputs[self._scores].data[0])
        class_id = found.class_id + np.int32(chosen.label_offset)
        keep = np.flatnonzero(class_id >= 0)
        keep = keep[best(found.score[keep])]
        index = found.index[keep]
        offset, anchor = self._rows(outputs[self._boxes], index), self._anchors_at(outputs, index)
        with np.errstate(invalid="ignore", over="ignore"):  # numbers beyond measure make boxes that tidy drops
            centre = anchor[:, :2] + offset[:, :2] / np.float32(chosen.centre_scale) * anchor[:, 2:]
            half = np.exp(offset[:, 2:] / np.float32(chosen.size_scale)) * anchor[:, 2:] / 2
            corners = np.concatenate([centre - half, centre + half], axis=1)
        return suppressed(corners, found.score[keep], class_id[keep], chosen)

    def _rows(self, output: RawOutput, index: NDArray[np.intp]) -> NDArray[np.float32]:
        return output.spec.real(output.data.reshape(-1, 4)[index])[:, self._xywh]

    def _anchors_at(self, outputs: Sequence[RawOutput], index: NDArray[np.intp]) -> NDArray[np.float32]:
        return self._rows(outputs[self._anchors], index) if isinstance(self._anchors, int) else self._anchors[index]


def _reader(parameters: HeadParameters, spec: TensorSpec) -> Callable[[NDArray[np.generic]], Candidates]:
    """What finds the rows of scores that see something; its class ids are columns."""
    first, threshold = int(parameters.background), parameters.score_threshold
    if parameters.activation == "softmax":
        return SoftmaxReader(spec, threshold, parameters.background)
    read = ScoreReader(spec, parameters.activation, threshold)

    def objects_of(rows: NDArray[np.generic]) -> Candidates:
        found = read(rows[:, first:])
        return Candidates(found.index, found.score, found.class_id + np.int32(first))

    return objects_of


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> SsdHeads:
    """Fit the decoder to a model; raises ModelRejected where its outputs do not fit, or anchors and boxes are not as many."""
    chosen = parse(HeadParameters, parameters, NAME)
    roles = _stated_roles(chosen.output_order) if chosen.output_order else _roles_by_shape(outputs)
    if roles is None or not _fit(roles, outputs):
        raise ModelRejected(
            f"{NAME} expects boxes [1xNx4] and scores [1xNxC]{f' as {chosen.output_order}' if chosen.output_order else ''}, "
            f"the model has {'; '.join(map(str, outputs)) or 'no outputs'}",
            hint="check the decoder; output_order in the manifest tells three outputs, or four classes, apart",
        )
    places = (roles.index("boxes"), roles.index("scores"))
    if ANCHORS in roles:
        return SsdHeads(chosen, outputs, places, roles.index(ANCHORS))
    return SsdHeads(chosen, outputs, places, anchors_of(chosen, inputs, outputs[places[0]].shape[1], NAME))


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for models with as many boxes as a published configuration has anchors."""
    roles = _roles_by_shape(outputs)
    if roles is None or not _fit(roles, outputs):
        return None
    count = outputs[roles.index("boxes")].shape[1]
    configuration = published(inputs, count)
    if configuration is None:
        return None
    activation = "none" if {"LOGISTIC", "SOFTMAX"} & set(op_names) else "sigmoid"
    why = f"boxes and scores of {count} anchors, as many as a published SSD has: check it, and the activation, on a picture"
    return Proposal(NAME, why, {**configuration, "activation": activation})


def _stated_roles(text: str) -> tuple[str, ...]:
    roles = tuple(word.strip() for word in text.split(","))
    if sorted(roles) not in (sorted(ROLES), sorted((*ROLES, ANCHORS))):
        raise ModelRejected(
            f"output_order of decoder {NAME} is {text!r}",
            hint="it has to name boxes and scores once, and anchors if the model puts them out",
        )
    return roles


def _roles_by_shape(outputs: Sequence[TensorSpec]) -> tuple[str, ...] | None:
    fours = [spec.shape[-1:] == (4,) for spec in outputs]
    return tuple("boxes" if four else "scores" for four in fours) if sorted(fours) == [False, True] else None


def _fit(roles: Sequence[str], outputs: Sequence[TensorSpec]) -> bool:
    if len(roles) != len(outputs):
        return False
    shapes = {role: spec.shape for role, spec in zip(roles, outputs, strict=True)}
    scores = shapes["scores"]
    fours = [shape[-2:] == (scores[1], 4) for role, shape in shapes.items() if role != "scores" and len(scores) == 3]
    return len(scores) == 3 and scores[0] == 1 and scores[2] >= 2 and all(fours) and shapes["boxes"] == (1, scores[1], 4)
