"""The decoders by name.

A decoder is a module with a ``NAME``, a ``build`` that fits it to a model once, and a ``propose`` that says whether a model
looks like its own. A decoder is named by the manifest or the model's metadata; nothing here is chosen by guess.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, ModelManifest, Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import (
    blazeface,
    classification,
    efficientdet,
    nanodet,
    ssd,
    ssd_corners,
    ssd_heads,
    yolo,
    yolo_dfl,
    yolo_end2end,
    yolox,
)
from edged.decode.parameters import suggestion
from edged.decode.proposal import Proposal


class Decoder(Protocol):
    """Turns one inference into detections."""

    @property
    def classes(self) -> int | None:
        """Every class id is below this, as the outputs or the parameters tell; ``None`` where nothing does."""
        ...

    def __call__(self, outputs: Sequence[RawOutput]) -> Detections:
        """Decode ``outputs``, all of the model's in the interpreter's order.

        Boxes are x0, y0, x1, y1 normalised to the model's input; they may stick out of 0..1, are never empty and come by
        falling score. Raises ModelRejected if the tensors are not of the shapes that the decoder was built for.
        """
        ...


class _DecoderModule(Protocol):
    def build(
        self, parameters: Mapping[str, Parameter], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> Decoder: ...

    def propose(
        self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]
    ) -> Proposal | None: ...


_DECODERS: dict[str, _DecoderModule] = {
    ssd.NAME: ssd,
    blazeface.NAME: blazeface,
    ssd_corners.NAME: ssd_corners,
    ssd_heads.NAME: ssd_heads,
    efficientdet.NAME: efficientdet,
    yolox.NAME: yolox,
    yolo_dfl.NAME: yolo_dfl,
    nanodet.NAME: nanodet,
    yolo.NAME: yolo,
    yolo_end2end.NAME: yolo_end2end,
    classification.NAME: classification,
}
"""In the order in which they are asked for a proposal: those that ask more of a model come first."""

LABEL_OFFSET = frozenset({classification.NAME, ssd_heads.NAME})
"""Those with that parameter."""


def names() -> tuple[str, ...]:
    """What a manifest may name."""
    return tuple(sorted(_DECODERS))


def build(spec: DecoderSpec, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Decoder:
    """The decoder that ``spec`` names, fitted to a model's tensors.

    Raises ModelRejected for an unknown name or parameter, and for tensors that the decoder cannot read.
    """
    if spec.name not in _DECODERS:
        raise ModelRejected(f"there is no decoder {spec.name!r}", hint=suggestion(spec.name, _DECODERS))
    return _DECODERS[spec.name].build(spec.parameters, inputs, outputs)


def build_labelled(manifest: ModelManifest, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Decoder:
    """``build`` for a manifest whose labels, if it has any, are as many as the classes: one more or less, and all may be shifted.

    Raises ModelRejected.
    """
    decoder = build(manifest.decoder, inputs, outputs)
    labels, classes = len(manifest.labels), decoder.classes
    if labels and classes is not None and labels != classes:
        hint = 'give each class a label, the background too, in the order of the scores: "" (??? in a file) for one without a name'
        if manifest.decoder.name in LABEL_OFFSET:
            hint += "; label_offset = -1 if the labels leave the background out"
        raise ModelRejected(f"model {manifest.name} has {labels:,} labels for {classes:,} classes", hint=hint)
    return decoder


def propose(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], op_names: Collection[str]) -> Proposal:
    """What a model looks like, from its tensors and the names of its operators; never to be used unseen."""
    for module in _DECODERS.values():
        proposal = module.propose(inputs, outputs, op_names)
        if proposal is not None:
            return proposal
    return Proposal(None, f"no decoder ({', '.join(names())}) knows the outputs {'; '.join(map(str, outputs)) or 'none'}")
