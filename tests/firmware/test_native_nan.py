"""NaN and infinity go through float32 operators as through TensorFlow Lite Micro."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from building import built
from micro_reference import Reference
from native_engine import NativeEngine
from tflite_names import ACTIVATIONS, SAME

from edged.testing.tflite_graph import GraphWriter

VALUES = np.array([1, np.nan, np.inf, 2, 3, 4, -np.inf, 1, 2], np.float32)
WINDOW = {"padding": SAME, "strideW": 1, "strideH": 1}
Build = Callable[[GraphWriter, int, int], int]


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    made = Reference()
    yield made
    made.close()


def fully_connected(graph: GraphWriter, x: int, activation: int) -> int:
    rows = graph.tensor((2, 3), "float32", data=np.array([[1, 1, 1], [1, 0, -1]], np.float32))
    out = graph.tensor((3, 2), "float32")
    graph.operator("FULLY_CONNECTED", [x, rows, -1], [out], fusedActivationFunction=activation)
    return out


def convolution(name: str) -> Build:
    def build(graph: GraphWriter, x: int, activation: int) -> int:
        kernel = graph.tensor((1, 2, 2, 1), "float32", data=np.ones((1, 2, 2, 1), np.float32))
        out = graph.tensor((1, 3, 3, 1), "float32")
        options = WINDOW | {"dilationWFactor": 1, "dilationHFactor": 1, "fusedActivationFunction": activation}
        if name == "DEPTHWISE_CONV_2D":
            options["depthMultiplier"] = 1
        graph.operator(name, [x, kernel], [out], **options)
        return out

    return build


def pool(name: str) -> Build:
    def build(graph: GraphWriter, x: int, activation: int) -> int:
        out = graph.tensor((1, 3, 3, 1), "float32")
        graph.operator(name, [x], [out], **WINDOW, filterWidth=2, filterHeight=2, fusedActivationFunction=activation)
        return out

    return build


def softmax(graph: GraphWriter, x: int, activation: int) -> int:
    out = graph.tensor((3, 3), "float32")
    graph.operator("SOFTMAX", [x], [out], beta=1.0)
    return out


OPERATORS: dict[str, tuple[Build, tuple[int, ...]]] = {
    "FULLY_CONNECTED": (fully_connected, (3, 3)),
    "CONV_2D": (convolution("CONV_2D"), (1, 3, 3, 1)),
    "DEPTHWISE_CONV_2D": (convolution("DEPTHWISE_CONV_2D"), (1, 3, 3, 1)),
    "AVERAGE_POOL_2D": (pool("AVERAGE_POOL_2D"), (1, 3, 3, 1)),
    "MAX_POOL_2D": (pool("MAX_POOL_2D"), (1, 3, 3, 1)),
    "SOFTMAX": (softmax, (3, 3)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_it_comes_out_as_from_tflm(name: str, reference: Reference) -> None:
    library: Path = built("host", "libedged_ml_host.so")
    build, shape = OPERATORS[name]
    given = VALUES.reshape(shape)
    for activation in ACTIVATIONS:
        graph = GraphWriter()
        x = graph.tensor(shape, "float32")
        out = build(graph, x, activation)
        model = graph.finish([x], [out])
        wanted = reference.run(model, [[given]])[0][0]
        np.testing.assert_allclose(NativeEngine(library, model).invoke(given)[0], wanted, rtol=1e-6, equal_nan=True)
