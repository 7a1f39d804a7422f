"""What the native engine does not do it names at load: the operator, its place, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import built
from native_engine import NativeEngine, Refused
from tflite_names import RELU, RELU6

from edged.testing.tflite_graph import GraphWriter

ARENA_BYTES = 1 << 20
SHAPE = (1, 4, 4, 2)
STEPS = {"scale": (0.5,), "zero_point": (3,)}
OTHER_STEPS = {"scale": (0.25,), "zero_point": (3,)}

EXP = 47  # BuiltinOperator


@dataclass(frozen=True, slots=True)
class Bad:
    """An operator behind a sound one: ``adds`` gets the writer and its input, and returns its outputs."""

    name: str
    code: int
    says: str
    adds: Callable[[GraphWriter, int], int]

    def __str__(self) -> str:
        return f"{self.name}: {self.says}"


def _one(
    name: str,
    shape: tuple[int, ...] = SHAPE,
    dtype: str = "int8",
    more: tuple[Any, ...] = (),
    steps: dict[str, Any] = STEPS,
    **options: Any,
) -> Any:
    """An operator of ``x`` and constants, with one output."""

    def adds(writer: GraphWriter, x: int) -> int:
        inputs = [x, *(make(writer) for make in more)]
        out = writer.tensor(shape, dtype, **(steps if dtype in ("int8", "int16", "uint8") else {}))
        writer.operator(name, inputs, [out], **options)
        return out

    return adds


def _numbers(*values: Any) -> Callable[[GraphWriter], int]:
    array = np.array(values, np.int32)
    return lambda writer: writer.tensor(array.shape, "int32", data=array)


def _values(shape: tuple[int, ...], steps: dict[str, Any] = STEPS) -> Callable[[GraphWriter], int]:
    return lambda writer: writer.tensor(shape, "int8", data=np.zeros(shape, np.int8), **steps)


def _state(shape: tuple[int, ...], variable: bool = True) -> Callable[[GraphWriter], int]:
    return lambda writer: writer.tensor(shape, "int8", variable=variable, **STEPS)


def _split(parts: int, lengths: tuple[int, ...]) -> Callable[[GraphWriter, int], int]:
    def adds(writer: GraphWriter, x: int) -> int:
        outs = [writer.tensor((1, length, 4, 2), "int8", **STEPS) for length in lengths]
        writer.operator("SPLIT", [_numbers(1)(writer), x], outs, numSplits=parts)
        return outs[0]

    return adds


def _slice(**options: int) -> Callable[[GraphWriter, int], int]:
    strides = options.pop("stride", 1)
    more = (_numbers(0, 0, 0, 0), _numbers(1, 4, 4, 2), _numbers(1, strides, 1, 1))
    return _one("STRIDED_SLICE", more=more, **options)


def _svdf(variable: bool, activation: int) -> Callable[[GraphWriter, int], int]:
    def adds(writer: GraphWriter, x: int) -> int:
        flat = writer.tensor((4, 8), "int8", **STEPS)
        writer.operator("RESHAPE", [x], [flat], newShape=[4, 8])
        bias = writer.tensor((3,), "int32", scale=(0.25,), data=np.zeros(3, np.int32))
        weights = {"scale": (0.5,), "zero_point": (0,)}
        operands = [_values((3, 8), weights)(writer), _values((3, 2), weights)(writer), bias, _state((4, 6), variable)(writer)]
        out = writer.tensor((4, 3), "int8", **STEPS)
        writer.operator("SVDF", [flat, *operands], [out], rank=1, fusedActivationFunction=activation)
        return out

    return adds


BAD = [
    Bad("EXP", EXP, "operator is not supported", _one("EXP")),
    Bad("ADD", 0, "broadcast", _one("ADD", more=(_values((1, 4, 3, 2)),))),
    Bad("ADD", 0, "no scale", _one("ADD", more=(_values(SHAPE, {}),))),
    Bad("ADD", 0, "too far", _one("ADD", more=(_values(SHAPE),), steps={"scale": (1e-9,), "zero_point": (0,)})),
    Bad("ADD", 0, "a state is not supported", _one("ADD", more=(_state(SHAPE),))),
    Bad("ADD", 0, "differ in type", _one("ADD", more=(_numbers(1),))),
    Bad("SUB", 41, "activation", _one("SUB", more=(_values(SHAPE),), fusedActivationFunction=4)),
    Bad("MUL", 18, "activation", _one("MUL", more=(_values(SHAPE),), fusedActivationFunction=5)),
    Bad("MAXIMUM", 55, "scale", _one("MAXIMUM", more=(_values(SHAPE, OTHER_STEPS),))),
    Bad("RELU6", 21, "scale", _one("RELU6", steps=OTHER_STEPS)),
    Bad("RELU", 19, "shape", _one("RELU", (1, 4, 4, 1))),
    Bad("LOGISTIC", 14, "scale and zero point", _one("LOGISTIC")),
    Bad("TANH", 28, "scale and zero point", _one("TANH")),
    Bad("QUANTIZE", 114, "pair of types", _one("QUANTIZE", dtype="bool")),
    Bad("DEQUANTIZE", 6, "float32", _one("DEQUANTIZE", dtype="int32")),
    Bad("CONCATENATION", 2, "scale", _one("CONCATENATION", (1, 8, 4, 2), more=(_values(SHAPE, OTHER_STEPS),), axis=1)),
    Bad("CONCATENATION", 2, "axis", _one("CONCATENATION", (1, 8, 4, 2), more=(_values(SHAPE),), axis=4)),
    Bad("CONCATENATION", 2, "as long", _one("CONCATENATION", (1, 7, 4, 2), more=(_values(SHAPE),), axis=1)),
    Bad("CONCATENATION", 2, "activation", _one("CONCATENATION", more=(_values(SHAPE),), fusedActivationFunction=RELU)),
    Bad("SPLIT", 49, "equal", _split(3, (1, 1, 2))),
    Bad("SPLIT", 49, "outputs", _split(4, (2, 2))),
    Bad("SPLIT", 49, "equal", _split(2, (1, 3))),
    Bad("PAD", 34, "as large", _one("PAD", more=(_numbers([0, 0], [-1, 0], [0, 0], [0, 0]),))),
    Bad("PAD", 34, "constants", _one("PAD", more=(_numbers([0, 0], [0, 0], [0, 0]),))),
    Bad("PADV2", 60, "one constant", _one("PADV2", more=(_numbers([0, 0], [0, 0], [0, 0], [0, 0]), _values((2,))))),
    Bad("TRANSPOSE", 39, "order", _one("TRANSPOSE", more=(_numbers(0, 1, 1, 3),))),
    Bad("TRANSPOSE", 39, "order", _one("TRANSPOSE", more=(_numbers(0, 1, 3),))),
    Bad("STRIDED_SLICE", 45, "shape", _slice(stride=0)),
    Bad("STRIDED_SLICE", 45, "shape", _slice(stride=2)),
    Bad("STRIDED_SLICE", 45, "ellipsis", _slice(ellipsisMask=1)),
    Bad("STRIDED_SLICE", 45, "new axes", _slice(newAxisMask=1)),
    Bad("MEAN", 40, "axis", _one("MEAN", (1, 2), more=(_numbers(1, 4),))),
    Bad("MEAN", 40, "shape", _one("MEAN", (1, 4), more=(_numbers(1, 2),))),
    Bad("ARG_MAX", 56, "int32", _one("ARG_MAX", (1, 4, 4), "int64", more=(_numbers(3),), outputType=4)),
    Bad("ARG_MAX", 56, "axis", _one("ARG_MAX", (1, 4, 4), "int32", more=(_numbers(-5),), outputType=2)),
    Bad("RESIZE_BILINEAR", 23, "both", _one("RESIZE_BILINEAR", more=(_numbers(4, 4),), alignCorners=True, halfPixelCenters=True)),
    Bad("RESIZE_BILINEAR", 23, "too large", _one("RESIZE_BILINEAR", (1, 4, 2700, 2), more=(_numbers(4, 2700),))),
    Bad("RESIZE_NEAREST_NEIGHBOR", 97, "height and width", _one("RESIZE_NEAREST_NEIGHBOR", more=(_numbers(4, 5),))),
]  # fmt: skip


@pytest.fixture(scope="module")
def library() -> Path:
    return built("host", "libedged_ml_host.so")


def _refusal(adds: Callable[[GraphWriter, int], int], library: Path) -> Refused:
    writer = GraphWriter()
    given, x = (writer.tensor(SHAPE, "int8", **STEPS) for _ in range(2))
    writer.operator("RELU", [given], [x])
    model = writer.finish([given], [adds(writer, x)])
    with pytest.raises(Refused) as caught:
        NativeEngine(library, model, ARENA_BYTES)
    return caught.value


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_it_names_the_operator_and_why(bad: Bad, library: Path) -> None:
    refused = _refusal(bad.adds, library)
    assert (refused.op_index, refused.op_code) == (1, bad.code)
    assert bad.says in refused.what


def test_a_state_belongs_to_one_operator(library: Path) -> None:
    weights = {"scale": (0.5,), "zero_point": (0,)}

    def adds(writer: GraphWriter, x: int) -> int:
        flat, state = writer.tensor((4, 8), "int8", **STEPS), _state((4, 6))(writer)
        writer.operator("RESHAPE", [x], [flat], newShape=[4, 8])
        bias = writer.tensor((3,), "int32", scale=(0.25,), data=np.zeros(3, np.int32))
        operands = [_values((3, 8), weights)(writer), _values((3, 2), weights)(writer), bias, state]
        outs = [writer.tensor((4, 3), "int8", **STEPS) for _ in range(2)]
        for out in outs:
            writer.operator("SVDF", [flat, *operands], [out], rank=1)
        return outs[1]

    refused = _refusal(adds, library)
    assert (refused.op_index, refused.op_code) == (3, 27)
    assert "state of another" in refused.what


@pytest.mark.parametrize(("variable", "activation", "says"), [(False, 0, "variable"), (True, RELU6, "activation")])
def test_svdf(variable: bool, activation: int, says: str, library: Path) -> None:
    refused = _refusal(_svdf(variable, activation), library)
    # A state that is not variable is one that nobody writes: that is found before operators are asked.
    assert refused.op_code == 27 and (says in refused.what or "before it is written" in refused.what)


def test_an_arena_that_is_too_small_says_how_much_is_needed(library: Path) -> None:
    writer = GraphWriter()
    given, x = (writer.tensor(SHAPE, "int8", **STEPS) for _ in range(2))
    writer.operator("RELU", [given], [x])
    model = writer.finish([given], [x])
    used = NativeEngine(library, model, ARENA_BYTES).arena_used
    with pytest.raises(Refused) as caught:
        NativeEngine(library, model, used - 16)
    assert "too small" in caught.value.what
    assert NativeEngine(library, model, caught.value.needed).arena_used <= caught.value.needed
