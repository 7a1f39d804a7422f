"""TFLite metadata: what a model's maker wrote into the .tflite about it.

A flatbuffer in the model's buffer TFLITE_METADATA. Field numbers are those of
https://github.com/tensorflow/tflite-support/blob/v0.4.4/tensorflow_lite_support/metadata/metadata_schema.fbs (version 1.4.1,
identifier M001); what serves other tasks than vision (tokenisers, audio) is not read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edged.core.errors import ModelRejected
from edged.infer.attachments import read_member
from edged.infer.flatbuffer import Table
from edged.infer.graph import Graph
from edged.infer.labels import parse_labels
from edged.infer.text import shown

BUFFER_NAME = "TFLITE_METADATA"
IDENTIFIER = b"M001"

_AXIS_LABELS = 2
_VALUE_LABELS = 3
_NORMALISATION = 1
_SCORE_THRESHOLDING = 3

_MAX_NAME_BYTES = 255
_MAX_TEXT_BYTES = 65_536
"""Some makers put the whole text of a licence there."""
_MAX_TENSORS = 64
_MAX_LIST = 32
_MAX_CHANNELS = 4


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """One input or output.

    ``mean`` and ``std`` normalise it, ``(value - mean) / std``, one number or one a channel, empty if not stated;
    ``score_threshold`` is the score below which its maker would drop a result. ``value_labels`` names the attached file in which
    line n says what the value n means; ``axis_labels`` the one in which line n says what the n-th element scores; "" if none.
    """

    name: str
    description: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    score_threshold: float | None
    value_labels: str
    axis_labels: str


@dataclass(frozen=True, slots=True)
class TensorGroup:
    """Outputs that belong together, by the names in their metadata."""

    name: str
    tensors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the file says about itself; texts are empty where it is silent."""

    name: str
    description: str
    version: str
    author: str
    licence: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    output_groups: tuple[TensorGroup, ...]

    @property
    def score_threshold(self) -> float | None:
        """The first threshold that an output states."""
        return next((output.score_threshold for output in self.outputs if output.score_threshold is not None), None)

    @property
    def scores_classes(self) -> bool:
        """Whether the file says of itself that it is a classifier: one output, and a label for each of its elements."""
        return len(self.outputs) == 1 and bool(self.outputs[0].axis_labels)

    @property
    def label_file(self) -> str:
        """The attached file that names the classes, "" if none does."""
        return next((name for output in self.outputs if (name := output.value_labels or output.axis_labels)), "")


def read_metadata(data: bytes, what: str) -> Metadata | None:
    """The metadata in ``data``, the bytes of a .tflite; ``None`` if it carries none.

    Raises ModelRejected, and nothing else, for what is damaged; ``what`` names the file in it.
    """
    buffer = Graph.read(data, what).metadata_buffer(BUFFER_NAME)
    if buffer is None:
        return None
    root = Table.root(buffer, IDENTIFIER, f"{what}: TFLite metadata")
    subgraphs = root.tables(3, _MAX_LIST)
    inputs: tuple[TensorMetadata, ...] = ()
    outputs: tuple[TensorMetadata, ...] = ()
    groups: tuple[TensorGroup, ...] = ()
    if subgraphs:
        inputs = tuple(map(_tensor, subgraphs[0].tables(2, _MAX_TENSORS)))
        outputs = tuple(map(_tensor, subgraphs[0].tables(3, _MAX_TENSORS)))
        groups = tuple(map(_group, subgraphs[0].tables(8, _MAX_LIST)))
    return Metadata(
        name=_text(root, 0, _MAX_NAME_BYTES),
        description=_text(root, 1),
        version=_text(root, 2, _MAX_NAME_BYTES),
        author=_text(root, 4),
        licence=_text(root, 5),
        inputs=inputs,
        outputs=outputs,
        output_groups=groups,
    )


def read_labels(data: bytes, metadata: Metadata, what: str) -> tuple[str, ...]:
    """The labels attached to ``data``, ``labels[class_id]`` names a class; none if the metadata names no label file.

    Apart from the metadata, since quantising tools drop the attached files and leave the metadata that names them. Raises
    ModelRejected for files that are missing, damaged or absurd.
    """
    name = metadata.label_file
    return parse_labels(read_member(data, name, what), f"{what}: {name}") if name else ()


def _text(table: Table, slot: int, limit: int = _MAX_TEXT_BYTES) -> str:
    return shown(table.text(slot, limit))


def _tensor(table: Table) -> TensorMetadata:
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    threshold: float | None = None
    for unit in table.tables(4, _MAX_LIST):
        kind, options = unit.integer(0, "B"), unit.table(1)
        if options is None:
            continue
        if kind == _NORMALISATION:
            mean, std = _normalisation(options)
        elif kind == _SCORE_THRESHOLDING:
            threshold = _threshold(options)
    files = table.tables(6, _MAX_LIST)
    return TensorMetadata(
        name=_text(table, 0),
        description=_text(table, 1),
        mean=mean,
        std=std,
        score_threshold=threshold,
        value_labels=_label_file(files, _VALUE_LABELS),
        axis_labels=_label_file(files, _AXIS_LABELS),
    )


def _normalisation(options: Table) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean, std = options.reals(0, _MAX_CHANNELS), options.reals(1, _MAX_CHANNELS)
    if len(mean) != len(std) or not all(map(math.isfinite, mean + std)) or not all(std):
        raise ModelRejected(f"{options.what}: nothing can be normalised by mean {mean} and std {std}")
    return mean, std


def _threshold(options: Table) -> float:
    threshold = options.real(0)
    if not math.isfinite(threshold):
        raise ModelRejected(f"{options.what}: the score threshold {threshold} is no number")
    return threshold


def _label_file(files: tuple[Table, ...], kind: int) -> str:
    """The name of the first file of ``kind``, one without a locale before its translations."""
    found = [file for file in files if file.integer(2, "b") == kind]
    found.sort(key=lambda file: bool(file.text(3, _MAX_NAME_BYTES)))
    return _text(found[0], 0, _MAX_NAME_BYTES) if found else ""


def _group(table: Table) -> TensorGroup:
    return TensorGroup(_text(table, 0), tuple(map(shown, table.texts(1, _MAX_TENSORS, _MAX_TEXT_BYTES))))
