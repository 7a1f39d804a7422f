"""Makes small .tflite files, with TFLite metadata and attached files if asked: what tests of readers and loaders need.

The metadata is written by the flatbuffers library's own builder, so that our reader is not checked against itself. Field numbers
as in ``edged.infer.metadata``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers

from edged.infer.graph import EDGETPU_OP, IDENTIFIER
from edged.infer.runtime_check import tiny_model

AXIS_LABELS = 2
VALUE_LABELS = 3


def make_tflite(*, custom_operator: str = "", metadata: bytes | None = None, attached: Mapping[str, bytes] | None = None) -> bytes:
    """A model with one float32 input and output [1, 8] and one operator: ADD (output = 2 x input), or the custom one that is named.

    ``metadata`` becomes the buffer TFLITE_METADATA; ``attached`` files become the ZIP at the end.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(tiny_model())
    if custom_operator:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = custom_operator
        operator = model.subgraphs[0].operators[0]
        operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.NONE, None
        model.operatorCodes = [code]
    if metadata is not None:
        buffer = schema.BufferT()
        buffer.data = list(metadata)
        entry = schema.MetadataT()
        entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
        model.buffers.append(buffer)
        model.metadata = [entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output()) + _zip(attached or {})


def for_edgetpu(model: bytes) -> bytes:
    """``model`` with what Coral's compiler leaves in the place of each RESHAPE: a stand-in for an Edge TPU only has to copy."""
    from ai_edge_litert import schema_py_generated as schema

    made = schema.ModelT.InitFromPackedBuf(model)
    for code in made.operatorCodes:
        if max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.RESHAPE:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
            code.customCode = EDGETPU_OP
    for operator in made.subgraphs[0].operators:
        if made.operatorCodes[operator.opcodeIndex].customCode == EDGETPU_OP:
            operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.NONE, None
    builder = flatbuffers.Builder(len(model))
    builder.Finish(made.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def make_metadata(
    *,
    name: str = "toy",
    version: str = "v1",
    licence: str = "Apache-2.0",
    mean: Sequence[float] = (127.5,),
    std: Sequence[float] = (127.5,),
    score_threshold: float | None = None,
    label_file: str = "",
    label_kind: int = VALUE_LABELS,
) -> bytes:
    """TFLite metadata with one input, normalised by ``mean`` and ``std``, and one output, scored and labelled as given.

    ``label_kind`` says what a line of ``label_file`` names: a value of the output, or one of its elements.
    """
    builder = flatbuffers.Builder(1024)
    normalise = _table(builder, {0: _floats(builder, mean), 1: _floats(builder, std)})
    units = [_unit(builder, 1, normalise)]
    image = _table(builder, {0: builder.CreateString("image"), 4: _vector(builder, units)})
    fields = {0: builder.CreateString("classes")}
    if score_threshold is not None:
        fields[4] = _vector(builder, [_unit(builder, 3, _threshold(builder, score_threshold))])
    if label_file:
        file = _table(builder, {0: builder.CreateString(label_file)}, {2: ("Int8", label_kind)})
        fields[6] = _vector(builder, [file])
    classes = _table(builder, fields)
    subgraph = _table(builder, {2: _vector(builder, [image]), 3: _vector(builder, [classes])})
    texts = {0: name, 1: f"about {name}", 2: version, 4: "someone", 5: licence}
    root = {slot: builder.CreateString(text) for slot, text in texts.items()}
    builder.Finish(_table(builder, {**root, 3: _vector(builder, [subgraph])}), b"M001")
    return bytes(builder.Output())


def _unit(builder: Any, kind: int, options: int) -> int:
    return _table(builder, {1: options}, {0: ("Uint8", kind)})


def _threshold(builder: Any, value: float) -> int:
    return _table(builder, {}, {0: ("Float32", value)})


def _table(builder: Any, offsets: Mapping[int, int], scalars: Mapping[int, tuple[str, float]] | None = None) -> int:
    builder.StartObject(10)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, (kind, value) in (scalars or {}).items():
        getattr(builder, f"Prepend{kind}Slot")(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    return _items(builder, offsets, builder.PrependUOffsetTRelative)


def _floats(builder: Any, values: Sequence[float]) -> int:
    return _items(builder, values, builder.PrependFloat32)


def _items(builder: Any, items: Sequence[float], prepend: Callable[[Any], None]) -> int:
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        prepend(item)
    return int(builder.EndVector())


def _zip(files: Mapping[str, bytes]) -> bytes:
    if not files:
        return b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
