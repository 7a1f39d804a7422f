"""What a .tflite file is, read from the file alone: no interpreter runs, so that it is safe on a file from anywhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, InputSpec, ModelManifest
from edged.core.operators import builtin_name
from edged.core.tensor import TensorSpec
from edged.decode.proposal import Proposal
from edged.decode.registry import propose
from edged.infer.attachments import member_names
from edged.infer.bundle import DETECTION_OPERATOR, declared_decoder
from edged.infer.files import MAX_MODEL_BYTES, read_limited
from edged.infer.flatbuffer import Table
from edged.infer.graph import EDGETPU_OP, Graph, OperatorKind
from edged.infer.manifest import format_manifest
from edged.infer.metadata import Metadata, read_labels, read_metadata
from edged.infer.text import shown

_MAX_DIMENSIONS = 16
_MAX_CHANNELS = 65_536
_MAX_NAME_BYTES = 1024

UNDECIDED = "DECODER"
"""What a manifest skeleton holds where a person must fill in a name."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in the file. ``operators`` counts the operators of the graph by name, the most frequent first.

    ``constant_bytes`` are the weights. ``edgetpu`` says that Coral's compiler made the file. ``labels_problem`` says why the
    metadata's label file could not be read; ``proposal`` is for a person to judge, not for a program to use.
    """

    path: Path
    size_bytes: int
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int]
    constant_bytes: int
    edgetpu: bool
    metadata: Metadata | None
    attached: tuple[str, ...]
    labels: tuple[str, ...]
    labels_problem: str
    proposal: Proposal


def inspect(path: Path) -> Inspection:
    """Read the file at ``path``; raises ModelRejected if it cannot be read or is damaged."""
    data = read_limited(path, MAX_MODEL_BYTES)
    what = str(path)
    graph = Graph.read(data, what)
    inputs, outputs = tuple(map(tensor_spec, graph.inputs())), tuple(map(tensor_spec, graph.outputs()))
    operators = {operator_name(kind): count for kind, count in graph.operators().items()}
    metadata = read_metadata(data, what)
    labels, problem = _labels(data, metadata, what)
    return Inspection(
        path=path,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inputs=inputs,
        outputs=outputs,
        operators=operators,
        constant_bytes=graph.constant_bytes(),
        edgetpu=EDGETPU_OP in operators,
        metadata=metadata,
        attached=member_names(data, what),
        labels=labels,
        labels_problem=problem,
        proposal=_declared(graph) or propose(inputs, outputs, tuple(operators)),
    )


def _declared(graph: Graph) -> Proposal | None:
    declared = declared_decoder(graph)
    if declared is None or not declared.parameters:
        return None
    why = f"the graph ends in {DETECTION_OPERATOR} and shows which of its outputs is which"
    return Proposal(declared.name, why, declared.parameters)


def tensor_spec(tensor: Table) -> TensorSpec:
    """A tensor of the graph as the interpreter would describe it; one with a scale for each channel counts as not quantised."""
    scale, zero_point = 0.0, 0
    quantisation = tensor.table(4)
    if quantisation is not None:
        scales, zero_points = quantisation.reals(2, _MAX_CHANNELS), quantisation.integers(3, _MAX_CHANNELS, "q")
        if len(scales) == 1:
            scale, zero_point = scales[0], (zero_points[0] if zero_points else 0)
    shape = tensor.integers(0, _MAX_DIMENSIONS)
    return TensorSpec(shown(tensor.text(3, _MAX_NAME_BYTES)), shape, _dtype(tensor.integer(1, "b")), scale, zero_point)


def manifest_skeleton(inspection: Inspection) -> str:
    """The text of a ``model.toml`` for the file, for a person to read through; what could not be known says so."""
    metadata, proposal = inspection.metadata, inspection.proposal
    mean = metadata.inputs[0].mean if metadata and metadata.inputs else ()
    std = metadata.inputs[0].std if metadata and metadata.inputs else ()
    variant = "edgetpu" if inspection.edgetpu else "cpu"
    manifest = ModelManifest(
        name=(metadata.name if metadata else "") or inspection.path.stem,
        version=(metadata.version if metadata else "") or "1",
        licence=(metadata.licence if metadata else "") or "unknown",
        description=metadata.description if metadata else "",
        files={variant: inspection.path.name},
        sha256={variant: inspection.sha256},
        input=InputSpec(mean=mean or None, std=std or None),
        decoder=DecoderSpec(proposal.name or UNDECIDED, proposal.parameters),
        labels=inspection.labels,
    )
    notes = [f"Decoder: {proposal.why}."]
    if proposal.name is None:
        notes.append(f"Nothing fits: put the right name in the place of {UNDECIDED}.")
    if not mean:
        notes.append("The file states no mean and std: add them to [input] if the network was trained on normalised pixels.")
    if not inspection.labels:
        notes.append('No labels in the file: fill in labels, or put labels_file = "labels.txt" in its place.')
    if len(inspection.inputs) > 1:
        notes.append("More than one input: each that an output comes back to needs a [[state]] with input, output and initial.")
    if inspection.edgetpu:
        notes.append('Compiled for the Edge TPU: add cpu = "FILE", what it was compiled from, to [files].')
    notes.append('[input] resize is "stretch" here; "letterbox" keeps the aspect ratio, if the network was trained so.')
    notes.append("With it, padding is the grey around the picture: 114 for the YOLO family; without, black.")
    return "".join(f"# {note}\n" for note in notes) + "\n" + format_manifest(manifest)


def _labels(data: bytes, metadata: Metadata | None, what: str) -> tuple[tuple[str, ...], str]:
    if metadata is None:
        return (), ""
    try:
        return read_labels(data, metadata, what), ""
    except ModelRejected as error:
        return (), error.message


def operator_name(kind: OperatorKind) -> str:
    """As TFLite's schema calls it; a custom operator by its own name."""
    return shown(kind.custom) or builtin_name(kind.builtin)


def _dtype(number: int) -> str:
    return _type_names().get(number, f"type {number}")


@cache
def _type_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import TensorType

    return {number: name.lower() for name, number in vars(TensorType).items() if isinstance(number, int)}
