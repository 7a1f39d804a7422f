"""The last bit of a multiplier: whether scales are multiplied and divided as TFLM does, in float64.

In float32 a multiplier would be off by up to 6e-8, and one result in thousands (int16) or millions (int8) by 1: too few for
models drawn at random. So here are as many results of as few models as it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from building import built
from micro_reference import Reference
from model_sketch import Invocation
from native_engine import NativeEngine

from edged.testing.tflite_graph import GraphWriter

ARENA_BYTES = 1 << 22
ELEMENTS = 20_000
MODELS = 8


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    made = Reference()
    yield made
    made.close()


@pytest.fixture(scope="module")
def library() -> Path:
    return built("host", "libedged_ml_host.so")


class Dense:
    """One large model in the making, its inputs int16 or int8 of their whole range."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.writer = GraphWriter()
        self._inputs: list[tuple[int, tuple[int, ...], str]] = []

    def scale(self, low: float = 0.01, high: float = 0.02) -> float:
        return float(np.float32(self.random.uniform(low, high)))

    def near(self, scale: float) -> float:
        return float(np.float32(scale * self.random.uniform(0.7, 1.4)))

    def input(self, shape: tuple[int, ...], dtype: str, scale: float) -> int:
        index = self.writer.tensor(shape, dtype, scale=(scale,))
        self._inputs.append((index, shape, dtype))
        return index

    def weights(self, shape: tuple[int, ...], scale: float) -> int:
        values = self.random.integers(-127, 127, shape, endpoint=True).astype(np.int8)
        return self.writer.tensor(shape, "int8", scale=(scale,), data=values)

    def judge(self, output: int, library: Path, reference: Reference) -> None:
        model = self.writer.finish([index for index, _, _ in self._inputs], [output])
        fed: Invocation = []
        for _, shape, dtype in self._inputs:
            bounds = np.iinfo(dtype)
            fed.append(self.random.integers(bounds.min, bounds.max, shape, endpoint=True).astype(dtype))
        want = reference.run(model, [fed])[0][0]
        np.testing.assert_array_equal(NativeEngine(library, model, ARENA_BYTES).invoke(*fed)[0], want)


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("seed", range(MODELS))
def test_two_operands(name: str, seed: int, library: Path, reference: Reference) -> None:
    dense = Dense(seed)
    scales = dense.scale(), dense.scale()
    operands = [dense.input((ELEMENTS,), "int16", scale) for scale in scales]
    natural = scales[0] * scales[1] * 20_000 if name == "MUL" else sum(scales)
    out = dense.writer.tensor((ELEMENTS,), "int16", scale=(dense.near(natural),))
    dense.writer.operator(name, operands, [out])
    dense.judge(out, library, reference)


@pytest.mark.parametrize("name", ["RELU", "QUANTIZE", "MEAN"])
@pytest.mark.parametrize("seed", range(MODELS))
def test_one_operand(name: str, seed: int, library: Path, reference: Reference) -> None:
    dense = Dense(seed)
    scale = dense.scale()
    shape = (ELEMENTS, 5) if name == "MEAN" else (ELEMENTS,)
    more = [dense.writer.tensor((1,), "int32", data=np.array([1], np.int32))] if name == "MEAN" else []
    x = dense.input(shape, "int16", scale)
    out = dense.writer.tensor((ELEMENTS,), "int16", scale=(dense.near(scale),))
    dense.writer.operator(name, [x, *more], [out])
    dense.judge(out, library, reference)


@pytest.mark.parametrize("seed", range(MODELS))
def test_fully_connected(seed: int, library: Path, reference: Reference) -> None:
    batches, depth, units = 4096, 16, 192
    dense = Dense(seed)
    scale, of_weights = dense.scale(), dense.scale()
    x = dense.input((batches, depth), "int8", scale)
    out = dense.writer.tensor((batches, units), "int8", scale=(dense.near(scale * of_weights * 220),))
    dense.writer.operator("FULLY_CONNECTED", [x, dense.weights((units, depth), of_weights)], [out])
    dense.judge(out, library, reference)


@pytest.mark.parametrize("seed", range(MODELS))
def test_svdf(seed: int, library: Path, reference: Reference) -> None:
    """The bias moves states far from zero into the output's range, where one step of a state is one of the output."""
    batches, depth, filters, far = 64, 8, 4096, 12_000
    dense = Dense(seed)
    scale, of_weights, of_time = dense.scale(), dense.scale(), dense.scale()
    of_state = dense.near(scale * of_weights * 1.6)
    product = float(np.float32(of_state) * np.float32(of_time))
    x = dense.input((batches, depth), "int8", scale)
    operands = [
        dense.weights((filters, depth), of_weights),
        dense.writer.tensor((filters, 1), "int16", scale=(of_time,), data=np.full((filters, 1), 127, np.int16)),
        dense.writer.tensor((filters,), "int32", scale=(product,), data=np.full(filters, -127 * far, np.int32)),
        dense.writer.tensor((batches, filters), "int16", scale=(of_state,), variable=True),
    ]
    out = dense.writer.tensor((batches, filters), "int8", scale=(float(np.float32(product * 127)),))
    dense.writer.operator("SVDF", [x, *operands], [out], rank=1)
    dense.judge(out, library, reference)
