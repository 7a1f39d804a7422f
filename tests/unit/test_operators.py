"""Operators by their names: as the runtime calls them, and as errors show them."""

from __future__ import annotations

from ai_edge_litert.schema_py_generated import BuiltinOperator

from edged.core.operators import BUILTIN_OPERATORS, CUSTOM_BUILTIN, Operator
from edged.infer.graph import Graph
from edged.testing.tflite_graph import GraphWriter


def test_the_names_are_those_of_the_runtime() -> None:
    named = {number: name for name, number in vars(BuiltinOperator).items() if isinstance(number, int)}
    assert named == BUILTIN_OPERATORS
    assert BUILTIN_OPERATORS[CUSTOM_BUILTIN] == "CUSTOM"


def test_how_one_is_shown() -> None:
    assert str(Operator(12, 25)) == "operator 12, SOFTMAX"
    assert str(Operator(0, 32, "edgetpu-custom-op")) == "operator 0, CUSTOM edgetpu-custom-op"
    assert str(Operator(0, 32)) == "operator 0, CUSTOM"
    assert str(Operator(3, 1000)) == "operator 3, BUILTIN_1000"


def test_those_of_a_graph_come_in_the_order_of_execution() -> None:
    writer = GraphWriter()
    tensors = [writer.tensor((1, 4), "int8", scale=(0.5,), zero_point=(0,)) for _ in range(4)]
    for name, source, target in zip(("RELU", "SOFTMAX", "RELU"), tensors, tensors[1:], strict=False):
        writer.operator(name, [source], [target])
    model = writer.finish([tensors[0]], [tensors[-1]])
    assert Graph.read(model, "it").steps() == (Operator(0, 19), Operator(1, 25), Operator(2, 19))
