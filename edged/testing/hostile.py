"""Small .tflite files that a runtime should not be given outside of a sandbox. All take a float32 picture [1, 4, 4, 3]."""

from __future__ import annotations

import struct
from typing import Any

import flatbuffers

from edged.infer.graph import IDENTIFIER

PICTURE = (1, 4, 4, 3)


def crashing() -> bytes:
    """An IF whose branches are the graph that it stands in: LiteRT 2.3 prepares them until its stack is used up."""
    choice = _operator("IF", [1, 0], [2])
    choice.builtinOptions.thenSubgraphIndex = choice.builtinOptions.elseSubgraphIndex = 0
    return _build([_graph([("x", PICTURE), ("yes", "bool", 1), ("y", PICTURE)], [0], [2], [choice])], [b"\1"])


def not_finite() -> bytes:
    """The picture divided by itself, which is not a number where it is black."""
    return _build([_graph([("x", PICTURE), ("y", PICTURE)], [0], [1], [_operator("DIV", [0, 0], [1])])])


def eating(side_px: int) -> bytes:
    """A picture of ``side_px`` squared, added to itself: two tensors of 12 bytes a pixel."""
    shape = (1, side_px, side_px, 3)
    return _build([_graph([("x", shape), ("y", shape)], [0], [1], [_operator("ADD", [0, 0], [1])])])


def hanging() -> bytes:
    """A WHILE that goes on as long as 0 is less than 5."""
    loop = _operator("WHILE", [0, 1], [2, 3])
    loop.builtinOptions.condSubgraphIndex, loop.builtinOptions.bodySubgraphIndex = 1, 2
    main = _graph([("x", PICTURE), ("zero", "int32", 1), ("y", PICTURE), ("end", "int32", 0)], [0], [2], [loop])
    more = [("x", PICTURE), ("n", "int32", 0), ("five", "int32", 2), ("more", "bool", 0)]
    condition = _graph(more, [0, 1], [3], [_operator("LESS", [1, 2], [3])])
    carried = [("x", PICTURE), ("n", "int32", 0), ("y", PICTURE), ("m", "int32", 0)]
    body = _graph(carried, [0, 1], [2, 3], [_operator("ADD", [0, 0], [2]), _operator("ADD", [1, 1], [3])])
    return _build([main, condition, body], [struct.pack("<i", 0), struct.pack("<i", 5)])


def unnamed() -> bytes:
    """The name of its input is no UTF-8."""
    return not_finite().replace(b"x\0", b"\xff\0")


def _operator(name: str, inputs: list[int], outputs: list[int]) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = getattr(schema.BuiltinOperator, name), inputs, outputs
    options = f"{name.capitalize()}Options"
    made.builtinOptionsType, made.builtinOptions = getattr(schema.BuiltinOptions, options), getattr(schema, f"{options}T")()
    return made


def _graph(tensors: list[tuple[Any, ...]], inputs: list[int], outputs: list[int], operators: list[Any]) -> Any:
    """Tensors are a name and a float shape, or a name, the type of its one value, and the buffer that holds it."""
    from ai_edge_litert import schema_py_generated as schema

    made = schema.SubGraphT()
    made.tensors, made.inputs, made.outputs, made.operators = [], inputs, outputs, operators
    for name, *rest in tensors:
        tensor = schema.TensorT()
        tensor.name, tensor.buffer = name, rest[1] if len(rest) > 1 else 0
        tensor.shape = [1] if len(rest) > 1 else list(rest[0])
        tensor.type = getattr(schema.TensorType, rest[0].upper() if len(rest) > 1 else "FLOAT32")
        made.tensors.append(tensor)
    return made


def _build(graphs: list[Any], constants: list[bytes] | None = None) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, graphs, [], [schema.BufferT()]
    kinds = sorted({operator.opcodeIndex for graph in graphs for operator in graph.operators})
    for kind in kinds:
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = kind, min(kind, 127)
        model.operatorCodes.append(code)
    for graph in graphs:
        for operator in graph.operators:
            operator.opcodeIndex = kinds.index(operator.opcodeIndex)
    for content in constants or []:
        buffer = schema.BufferT()
        buffer.data = list(content)
        model.buffers.append(buffer)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())
