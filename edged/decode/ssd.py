"""Decoder ``ssd_postprocess``: the outputs of the operator TFLite_Detection_PostProcess.

The operator (tensorflow/lite/kernels/detection_postprocess.cc) decodes anchors and suppresses overlaps inside the model. Its
four outputs are boxes [1, N, 4] (ymin, xmin, ymax, xmax normalised), classes [1, N], scores [1, N] and count [1]. Exporters
order them differently, and classes and scores have the same shape: only names tell them apart, or the manifest.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode.parameters import parse
from edged.decode.proposal import Proposal
from edged.decode.results import tidy

NAME = "ssd_postprocess"
OPERATOR = "TFLite_Detection_PostProcess"
ROLES = ("boxes", "classes", "scores", "count")

NAMINGS = (
    # The operator's own outputs, as the TensorFlow 1 exporter keeps them (export_tflite_ssd_graph.py).
    {OPERATOR: "boxes", f"{OPERATOR}:1": "classes", f"{OPERATOR}:2": "scores", f"{OPERATOR}:3": "count"},
    # The TensorFlow 2 exporter (export_tflite_graph_tf2.py): numbered the other way round, and listed as 1, 3, 0, 2.
    {f"StatefulPartitionedCall:{3 - place}": role for place, role in enumerate(ROLES)},
    # TFLite metadata of object detectors (tflite-support, metadata_writers/object_detector.py).
    {"location": "boxes", "category": "classes", "score": "scores", "number of detections": "count"},
)
ORDERS = (ROLES, ("scores", "boxes", "count", "classes"))
"""The orders in which known exporters list the outputs; used for proposals only."""

CLASS_LIMIT = 1 << 24
"""Classes come as float32, which counts no further than this by ones."""


@settings
class SsdParameters:
    """Parameters of ``ssd_postprocess``."""

    score_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    """Detections below are left out. A tracker that uses weak detections needs its own lower threshold here."""

    output_order: str = ""
    """The roles of the outputs in the interpreter's order, such as `boxes,classes,scores,count`, where their names do not
    tell."""


class SsdPostprocess:
    """The decoder; ``places`` holds the position of each of ``ROLES`` among the outputs."""

    def __init__(self, score_threshold: float, places: Sequence[int]) -> None:
        self.classes = None  # the operator puts out numbers of classes, and not how many there are
        self._threshold = np.float32(score_threshold)
        self._places = tuple(places)

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode one inference. Rows with numbers that make no sense are dropped, never repaired."""
        boxes, classes, scores, count = (outputs[place].real() for place in self._places)
        if count.size != 1 or classes.size != scores.size or boxes.size != 4 * scores.size:
            raise _unfit([output.spec for output in outputs])
        stated = float(count.flat[0])
        n = 0 if math.isnan(stated) else int(min(max(stated, 0), scores.size))
        boxes, class_id, score = boxes.reshape(-1, 4)[:n], classes.reshape(-1)[:n], scores.reshape(-1)[:n]
        keep = np.flatnonzero((score >= self._threshold) & (score <= 1) & (class_id >= 0) & (class_id < CLASS_LIMIT))
        return tidy(boxes[keep][:, [1, 0, 3, 2]], score[keep], class_id[keep].astype(np.int32))


def build(parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> SsdPostprocess:
    """Fit the decoder to a model; raises ModelRejected where its outputs do not fit or cannot be told apart."""
    chosen = parse(SsdParameters, parameters, NAME)
    roles = _stated_order(chosen.output_order) if chosen.output_order else _named_order(outputs)
    if roles is None:
        raise ModelRejected(
            f"the names of the outputs do not tell their roles to {NAME}: {_list(outputs)}",
            hint=f"state output_order in the manifest, such as {','.join(ROLES)!r}",
        )
    if not _fits(roles, outputs):
        raise _unfit(outputs)
    return SsdPostprocess(chosen.score_threshold, [roles.index(role) for role in ROLES])


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal | None:
    """Propose this decoder for models that hold the operator."""
    if OPERATOR not in op_names:
        return None
    roles = _named_order(outputs)
    if roles is not None and _fits(roles, outputs):
        return Proposal(NAME, f"the model holds {OPERATOR} and the names of its outputs tell their roles")
    for order in ORDERS:
        if _fits(order, outputs):
            why = f"the model holds {OPERATOR}, but only the shapes speak for this order of the outputs: check it on a picture"
            return Proposal(NAME, why, {"output_order": ",".join(order)})
    return None


def _stated_order(text: str) -> tuple[str, ...]:
    roles = tuple(word.strip() for word in text.split(","))
    if sorted(roles) != sorted(ROLES):
        raise ModelRejected(f"output_order of decoder {NAME} is {text!r}", hint=f"it has to name each of {', '.join(ROLES)} once")
    return roles


def _named_order(outputs: Sequence[TensorSpec]) -> tuple[str, ...] | None:
    found = [spec.name for spec in outputs]
    for naming in NAMINGS:
        if sorted(found) == sorted(naming):
            return tuple(naming[name] for name in found)
    return None


def _fits(roles: Sequence[str], outputs: Sequence[TensorSpec]) -> bool:
    """Whether the shapes agree with the roles; a shape of () is only known after an inference."""
    if len(outputs) != len(roles):
        return False
    shapes = {role: spec.shape for role, spec in zip(roles, outputs, strict=True) if spec.shape}
    counts = {shape[1:2] for role, shape in shapes.items() if role != "count"}
    ranks = {"boxes": 3, "classes": 2, "scores": 2, "count": 1}
    return (
        all(len(shape) == ranks[role] and shape[0] == 1 for role, shape in shapes.items())
        and shapes.get("boxes", (4,))[-1] == 4
        and len(counts) <= 1
    )


def _unfit(outputs: Sequence[TensorSpec]) -> ModelRejected:
    return ModelRejected(
        f"{NAME} expects boxes [1xNx4], classes [1xN], scores [1xN] and count [1], the model has {_list(outputs)}",
        hint="check the decoder and its output_order in the manifest",
    )


def _list(outputs: Sequence[TensorSpec]) -> str:
    return "; ".join(map(str, outputs)) or "no outputs"
