"""A detector that is fast and does what it is told: it sees an object wherever a picture is bright. For tests that need events by
the hundred, or a model without a download.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from edged.infer.graph import IDENTIFIER

MANIFEST = """\
name = "brightness"
version = "1"
labels = {labels}
[files]
cpu = "brightness.tflite"
[input]
mean = [{mean}]
std = [255.0]
[decoder]
name = "ssd_postprocess"
output_order = "boxes,classes,scores,count"
"""


Fault = Literal["", "nan", "error"]
"""NaN for the score of what is darker than half grey, or an inference that fails where something is white; empty for neither."""


def write_bundle(directory: Path, objects: int, *, labels: Sequence[str] = ("light",), fault: Fault = "") -> Path:
    """Make a bundle in ``directory``. A picture is shrunk to ``objects`` pixels in a row, each of which is an object's score.

    Objects are of the last of ``labels``. With a ``fault``, a model that passes every check fails at some pictures.
    """
    directory.mkdir()
    manifest = MANIFEST.format(labels=json.dumps(labels), mean=127.5 if fault == "nan" else 0.0)
    (directory / "model.toml").write_text(manifest)
    (directory / "brightness.tflite").write_bytes(brightness_model(objects, len(labels) - 1, fault))
    return directory


def brightness_model(objects: int, class_id: int = 0, fault: Fault = "") -> bytes:
    """A .tflite: from float32 [1, 1, ``objects``, 3] in 0..1 to boxes, classes, scores and count (``edged.decode.ssd``).

    Scores are the means over the colours, for "nan" their roots; everything else is constant.
    """
    from ai_edge_litert import schema_py_generated as schema

    left = np.arange(objects, dtype=np.float32) / objects
    boxes = np.stack([np.full(objects, 0.25), left, np.full(objects, 0.75), left + 0.9 / objects], axis=1)
    constants = [boxes[None], np.full((1, objects), class_id), np.array([objects])]
    buffers = [schema.BufferT(), *(_buffer(schema, values.astype(np.float32)) for values in constants)]
    buffers.append(_buffer(schema, np.array([1, 3], np.int32)))
    tensors = [
        _tensor(schema, "image", [1, 1, objects, 3], 0),
        _tensor(schema, "boxes", [1, objects, 4], 1),
        _tensor(schema, "classes", [1, objects], 2),
        _tensor(schema, "count", [1], 3),
        _tensor(schema, "height and colours", [2], 4, schema.TensorType.INT32),
        _tensor(schema, "scores", [1, objects], 0),
    ]
    operator = _operator(schema, 0, [0, 4], [5])
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.ReducerOptions, schema.ReducerOptionsT()
    operators, codes = [operator], [schema.BuiltinOperator.MEAN]
    if fault == "nan":
        tensors.append(_tensor(schema, "means", [1, objects], 0))
        operator.outputs = [6]
        operators.append(_operator(schema, 1, [6], [5]))
        codes.append(schema.BuiltinOperator.SQRT)
    if fault == "error":  # the score as a place in a list of one
        tensors.append(_tensor(schema, "places", [1, objects], 0, schema.TensorType.INT32))
        tensors.append(_tensor(schema, "found", [1, objects], 0))
        operators += [_operator(schema, 1, [5], [6]), _operator(schema, 2, [3, 6], [7])]
        operators[-1].builtinOptionsType, operators[-1].builtinOptions = (
            schema.BuiltinOptions.GatherOptions,
            schema.GatherOptionsT(),
        )
        codes += [schema.BuiltinOperator.CAST, schema.BuiltinOperator.GATHER]
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [1, 2, 5, 3], operators
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [_code(schema, it) for it in codes], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _operator(schema: Any, code: int, inputs: list[int], outputs: list[int]) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, inputs, outputs
    return made


def _code(schema: Any, operator: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = operator
    return made


def _buffer(schema: Any, values: NDArray[Any]) -> Any:
    made = schema.BufferT()
    made.data = np.frombuffer(values.tobytes(), np.uint8)
    return made


def _tensor(schema: Any, name: str, shape: list[int], buffer: int, kind: int = 0) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
    return made
