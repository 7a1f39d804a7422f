"""Builds small .tflite networks operator by operator, with weights of one's choosing: models whose right answer is known.

    network = Network((1, 64, 64, 3))
    cells = network.convolution(network.average(network.input, 16), weights, bias)
    data = network.build([network.reshape(cells, (1, 16, 5))])

Tensors are named by their numbers. Everything computes in float32; ``quantise`` ends with another number format, and an input of
another format begins with ``dequantise``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edged.infer.graph import IDENTIFIER

Shape = tuple[int, ...]


class Network:
    """A network under construction; ``input`` is the tensor that goes in, float32 whatever its stored format."""

    def __init__(self, shape: Shape, dtype: str = "float32", scale: float = 0.0, zero_point: int = 0) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._codes: list[int] = []
        self._tensors: list[Any] = []
        self._shapes: list[Shape] = []
        self._operators: list[Any] = []
        self._buffers = [schema.BufferT()]
        self._branches: list[Any] = []
        self._custom = ""
        entry = self._tensor(shape, dtype, scale, zero_point)
        self._entries = [entry]
        self.input = entry if dtype == "float32" else self._operator("DEQUANTIZE", [entry], shape)

    def further_input(self, shape: Shape) -> int:
        """Another tensor that goes in, float32."""
        self._entries.append(self._tensor(shape, "float32", 0.0, 0))
        return self._entries[-1]

    def average(self, tensor: int, size: int) -> int:
        """The mean of every ``size`` x ``size`` block of pixels; rows and columns become fewer by that factor."""
        batch, rows, columns, channels = self._shapes[tensor]
        options = self._schema.Pool2DOptionsT()
        options.strideW = options.strideH = options.filterWidth = options.filterHeight = size
        options.padding = self._schema.Padding.VALID
        return self._operator("AVERAGE_POOL_2D", [tensor], (batch, rows // size, columns // size, channels), options)

    def convolution(self, tensor: int, weights: ArrayLike, bias: ArrayLike) -> int:
        """A 1 x 1 convolution: ``weights`` (out, in) times the channels, plus ``bias`` (out,)."""
        matrix = np.asarray(weights, np.float32)
        options = self._schema.Conv2DOptionsT()
        options.strideW = options.strideH = options.dilationWFactor = options.dilationHFactor = 1
        parts = [tensor, self._constant(matrix[:, None, None, :]), self._constant(np.asarray(bias, np.float32))]
        return self._operator("CONV_2D", parts, (*self._shapes[tensor][:3], len(matrix)), options)

    def add(self, tensor: int, values: ArrayLike) -> int:
        """Plus a constant of the tensor's own shape."""
        return self.sum(tensor, self._constant(np.asarray(values, np.float32).reshape(self._shapes[tensor])))

    def sum(self, one: int, other: int) -> int:
        """Two tensors of one shape, number by number."""
        return self._operator("ADD", [one, other], self._shapes[one], self._schema.AddOptionsT())

    def reshape(self, tensor: int, shape: Shape) -> int:
        """The same numbers in another shape."""
        options = self._schema.ReshapeOptionsT()
        options.newShape = list(shape)
        return self._operator("RESHAPE", [tensor, self._constant(np.array(shape, np.int32))], shape, options)

    def concatenate(self, tensors: Sequence[int], axis: int) -> int:
        """One after the other along ``axis``."""
        shape = list(self._shapes[tensors[0]])
        shape[axis] = sum(self._shapes[tensor][axis] for tensor in tensors)
        options = self._schema.ConcatenationOptionsT()
        options.axis = axis
        return self._operator("CONCATENATION", list(tensors), tuple(shape), options)

    def transpose(self, tensor: int, order: Shape) -> int:
        """The axes in another order."""
        shape = tuple(self._shapes[tensor][axis] for axis in order)
        return self._operator("TRANSPOSE", [tensor, self._constant(np.array(order, np.int32))], shape)

    def apply(self, name: str, tensors: Sequence[int], shape: Shape, dtype: str = "float32") -> int:
        """Any other operator, by its name in the schema, with the options that it has by default."""
        kind = f"{name.title().replace('_', '')}OptionsT"
        options = getattr(self._schema, kind)() if hasattr(self._schema, kind) else None
        return self._operator(name, list(tensors), shape, options, quantisation=(dtype, 0.0, 0))

    def custom(self, name: str, tensor: int, shape: Shape) -> int:
        """A custom operator; only one of them in a network."""
        made = self._operator("CUSTOM", [tensor], shape)
        self._custom = name
        return made

    def stuck_above(self, tensor: int, limit: float) -> int:
        """The one number of ``tensor``; a WHILE goes round as long as it is above ``limit``, which is for ever."""
        shape = self._shapes[tensor]
        for name, constant, dtype in (("GREATER", limit, "bool"), ("ADD", 0.0, "float32")):
            inner = Network(shape)
            inner._codes, inner._buffers = self._codes, self._buffers
            self._branches.append(inner._graph([inner.apply(name, [inner.input, inner.constant(constant)], shape, dtype)]))
        options = self._schema.WhileOptionsT()
        options.condSubgraphIndex, options.bodySubgraphIndex = len(self._branches) - 1, len(self._branches)
        return self._operator("WHILE", [tensor], shape, options)

    def constant(self, values: ArrayLike, dtype: str = "float32") -> int:
        """Numbers that are part of the model."""
        return self._constant(np.asarray(values, dtype))

    def quantise(self, tensor: int, dtype: str, scale: float, zero_point: int) -> int:
        """The same values as integers of ``dtype``, rounded and cut as TFLite does."""
        return self._operator("QUANTIZE", [tensor], self._shapes[tensor], quantisation=(dtype, scale, zero_point))

    def build(self, outputs: Sequence[int]) -> bytes:
        """The file whose outputs these tensors are."""
        schema = self._schema
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [self._graph(outputs), *self._branches], self._buffers
        model.operatorCodes = []
        for number in self._codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
            code.version = 1
            if number == schema.BuiltinOperator.CUSTOM:
                code.customCode = self._custom
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())

    def _graph(self, outputs: Sequence[int]) -> Any:
        graph = self._schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = self._entries, list(outputs)
        return graph

    def _operator(
        self,
        name: str,
        inputs: list[int],
        shape: Shape,
        options: Any = None,
        *,
        quantisation: tuple[str, float, int] = ("float32", 0.0, 0),
    ) -> int:
        code = getattr(self._schema.BuiltinOperator, name)
        if code not in self._codes:
            self._codes.append(code)
        operator = self._schema.OperatorT()
        operator.opcodeIndex, operator.inputs = self._codes.index(code), inputs
        operator.outputs = [self._tensor(shape, *quantisation)]
        kind = "NONE" if options is None else type(options).__name__.removesuffix("T")
        operator.builtinOptionsType, operator.builtinOptions = getattr(self._schema.BuiltinOptions, kind), options
        self._operators.append(operator)
        return int(operator.outputs[0])

    def _constant(self, values: NDArray[np.generic]) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._buffers.append(buffer)
        number = self._tensor(values.shape, str(values.dtype), 0.0, 0)
        self._tensors[number].buffer = len(self._buffers) - 1
        return number

    def _tensor(self, shape: Shape, dtype: str, scale: float, zero_point: int) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape = f"t{len(self._tensors)}", list(shape)
        tensor.type, tensor.buffer = getattr(self._schema.TensorType, dtype.upper()), 0
        if scale:
            tensor.quantization = self._schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
        self._tensors.append(tensor)
        self._shapes.append(shape)
        return len(self._tensors) - 1
