"""Writes .tflite graphs operator by operator: what tests of an engine need, and no converter makes.

Options are given by the names of the schema's Python classes, in lower camel case: ``{"strideW": 2, "padding": SAME}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edged.infer.graph import IDENTIFIER

TYPES: Final[Mapping[str, int]] = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "uint8": schema.TensorType.UINT8,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
    "int16": schema.TensorType.INT16,
    "int8": schema.TensorType.INT8,
}
"""TensorType by the name of numpy's dtype."""

_OPTIONS: Final[Mapping[str, str]] = {
    "ADD": "AddOptions",
    "ARG_MAX": "ArgMaxOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "QUANTIZE": "QuantizeOptions",
    "RESHAPE": "ReshapeOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SPLIT": "SplitOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
    "SVDF": "SVDFOptions",
    "TRANSPOSE": "TransposeOptions",
}
"""Operators that have options; others, such as RELU, have none."""


class GraphWriter:
    """One subgraph in the making. Tensors are named by their index; buffer 0 is the empty one, as the format wants it."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[str] = []
        self._buffers: list[npt.NDArray[np.uint8] | None] = [None]

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str,
        *,
        scale: Sequence[float] = (),
        zero_point: Sequence[int] = (),
        axis: int = 0,
        data: npt.NDArray[Any] | None = None,
        variable: bool = False,
    ) -> int:
        """Adds a tensor and returns its index; with ``data`` a constant. Several scales are one for each index of ``axis``."""
        made = schema.TensorT()
        made.shape, made.type, made.isVariable = list(shape), TYPES[dtype], variable
        made.name = f"t{len(self._tensors)}"
        if len(scale):
            quantization = schema.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint = list(scale), list(zero_point) or [0] * len(scale)
            quantization.quantizedDimension = axis
            made.quantization = quantization
        if data is not None:
            made.buffer = len(self._buffers)
            self._buffers.append(np.frombuffer(np.ascontiguousarray(data, dtype).tobytes(), np.uint8))
        self._tensors.append(made)
        return len(self._tensors) - 1

    def operator(self, name: str, inputs: Sequence[int], outputs: Sequence[int], **options: Any) -> None:
        """Adds the operator that the schema calls ``name``; -1 among ``inputs`` is an optional tensor left out."""
        made = schema.OperatorT()
        if name not in self._codes:
            self._codes.append(name)
        made.opcodeIndex, made.inputs, made.outputs = self._codes.index(name), list(inputs), list(outputs)
        if kind := _OPTIONS.get(name):
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = getattr(schema, f"{kind}T")()
            for key, value in options.items():
                if not hasattr(made.builtinOptions, key):
                    raise ValueError(f"{kind} has no {key}")
                setattr(made.builtinOptions, key, value)
        self._operators.append(made)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file. Its operators run in the order in which they were added."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs, model.description = 3, [graph], "made for a test"
        model.operatorCodes = [_code(name) for name in self._codes]
        model.buffers = [_buffer(data) for data in self._buffers]
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())


def _code(name: str) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = getattr(schema.BuiltinOperator, name)
    made.deprecatedBuiltinCode = min(made.builtinCode, 127)
    made.version = 1
    return made


def _buffer(data: npt.NDArray[np.uint8] | None) -> Any:
    made = schema.BufferT()
    made.data = data
    return made
