"""Operators that compute: each adds itself to a sketch behind ``x`` and returns what it writes.

Only what TFLM accepts is drawn; what it does not is in ``DESIGN.md`` of firmware/ml.
"""

from __future__ import annotations

import numpy as np
from model_sketch import Sketch, Value
from tflite_names import ACTIVATIONS, NONE, SAME, VALID


def _activation(s: Sketch) -> int:
    return s.choice(ACTIVATIONS)


def _broadcast(s: Sketch, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts with ``shape``."""
    made = [s.choice((size, 1)) if size > 1 else s.choice((1, s.integer(1, 3))) for size in shape]
    if s.boolean():
        made = made[s.integer(0, len(made) - 1) :]
    elif len(shape) < 4 and s.boolean():
        made = [s.integer(1, 2), *made]
    return tuple(made) if np.prod(np.broadcast_shapes(made, shape)) <= 3000 else shape


def _second(s: Sketch, x: Value, live: list[Value], same_scale: bool = False) -> Value:
    """What ``x`` is combined with: something that is there already, a constant or a new input."""
    fitting = [
        v
        for v in live
        if v.dtype == x.dtype and _fit(v.shape, x.shape) and (not same_scale or (v.scale, v.zero_point) == (x.scale, x.zero_point))
    ]
    if fitting and s.boolean():
        return s.choice(fitting)
    shape = _broadcast(s, x.shape)
    quantisation = (x.scale, x.zero_point) if same_scale else s.quantisation(x.dtype)
    if s.boolean():
        return s.constant(s.values(shape, x.dtype), x.dtype, quantisation)
    return s.input(shape, x.dtype, quantisation)


def _fit(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(a, b))) <= 3000
    except ValueError:
        return False


def _binary(name: str, s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    y = _second(s, x, live)
    first, second = (x, y) if s.boolean() else (y, x)
    natural = 70 * x.scale * y.scale if name == "MUL" else x.scale + y.scale
    if x.dtype == "int16":
        natural *= 64 * (256 if name == "MUL" else 1)
    out = s.result(np.broadcast_shapes(x.shape, y.shape), x.dtype, natural)
    # TFLM: ADD of int32 ignores the activation
    activation = NONE if x.dtype == "int32" and name == "ADD" else _activation(s)
    s.operator(name, [first, second], [out], fusedActivationFunction=activation)
    return [out]


def add(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    return _binary("ADD", s, x, live)


def sub(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    return _binary("SUB", s, x, live)


def mul(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    return _binary("MUL", s, x, live)


def _extreme(name: str, s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    y = _second(s, x, live, same_scale=True)
    out = s.value(np.broadcast_shapes(x.shape, y.shape), x.dtype, (x.scale, x.zero_point))
    s.operator(name, [x, y] if s.boolean() else [y, x], [out])
    return [out]


def maximum(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    return _extreme("MAXIMUM", s, x, live)


def minimum(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    return _extreme("MINIMUM", s, x, live)


def relu(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    out = s.result(x.shape, x.dtype, x.scale * (64 if x.dtype == "int16" else 1))
    s.operator("RELU", [x], [out])
    return [out]


def relu6(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    out = s.value(x.shape, x.dtype, (x.scale, x.zero_point))
    s.operator("RELU6", [x], [out])
    return [out]


def logistic(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    out = s.value(x.shape, x.dtype, (1 / 256, -128) if x.dtype == "int8" else (1 / 32768, 0) if x.dtype == "int16" else None)
    s.operator("LOGISTIC", [x], [out])
    return [out]


def tanh(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    out = s.value(x.shape, x.dtype, (1 / 128, 0) if x.dtype == "int8" else (1 / 32768, 0) if x.dtype == "int16" else None)
    s.operator("TANH", [x], [out])
    return [out]


def softmax(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    out = s.value(x.shape, x.dtype, (1 / 256, -128) if x.dtype == "int8" else None)
    s.operator("SOFTMAX", [x], [out], beta=s.choice((1.0, 1.0, 0.5, 2.0)))
    return [out]


def quantize(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    kinds = {
        "float32": ("int8", "int16"),
        "int8": ("int8", "int16", "int32", "uint8"),
        "int16": ("int8", "int16", "int32"),
        "int32": ("int8", "int16"),
        "uint8": ("int8",),
    }
    dtype = s.choice(kinds[x.dtype])
    quantisation = (s.scale(), 0) if dtype == "int32" else None
    ranges = {"float32": 4.0, "int8": 100.0, "uint8": 100.0, "int16": 25_000.0, "int32": 2.0**23}
    if dtype != "int32" and s.integer(0, 7):
        quantisation = s.near((x.scale or 1.0) * ranges[x.dtype] / ranges[dtype]), s.quantisation(dtype)[1]
    if {dtype, x.dtype} == {"int8", "uint8"} and s.boolean():  # the same scale, only moved
        quantisation = (x.scale, x.zero_point + (128 if dtype == "uint8" else -128))
    out = s.value(x.shape, dtype, quantisation)
    s.operator("QUANTIZE", [x], [out])
    return [out]


def dequantize(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    out = s.value(x.shape, "float32")
    s.operator("DEQUANTIZE", [x], [out])
    return [out]


def mean(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    rank = len(x.shape)
    axes = sorted({s.integer(0, rank - 1) for _ in range(s.integer(1, rank))})
    keep = s.boolean()
    shape = [1 if i in axes else size for i, size in enumerate(x.shape) if keep or i not in axes]
    out = s.result(shape, x.dtype, x.scale * (16 if x.dtype == "int16" else 0.25))
    given = [axis - rank if s.boolean() else axis for axis in (axes if s.boolean() else axes[::-1])]
    s.operator("MEAN", [x, s.constant(given, "int32")], [out], keepDims=keep)
    return [out]


def arg_max(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    axis = s.integer(0, len(x.shape) - 1)
    out = s.value([size for i, size in enumerate(x.shape) if i != axis], "int32")
    given = np.int32(axis - len(x.shape) if s.boolean() else axis)
    s.operator("ARG_MAX", [x, s.constant([given] if s.boolean() else given, "int32")], [out], outputType=2)
    return [out]


def _window(size: int, window: int, stride: int, dilation: int, padding: int) -> int:
    reach = (window - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - reach) // stride + 1


def _pool(name: str, s: Sketch, x: Value) -> list[Value]:
    _, height, width, channels = x.shape
    high, wide, down, right = s.integer(1, min(height, 5)), s.integer(1, min(width, 5)), s.integer(1, 3), s.integer(1, 3)
    padding = s.choice((SAME, VALID))
    shape = (x.shape[0], _window(height, high, down, 1, padding), _window(width, wide, right, 1, padding), channels)
    out = s.value(shape, x.dtype, (x.scale, x.zero_point))
    s.operator(
        name,
        [x],
        [out],
        padding=padding,
        strideW=right,
        strideH=down,
        filterWidth=wide,
        filterHeight=high,
        fusedActivationFunction=_activation(s),
    )
    return [out]


def average_pool(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    return _pool("AVERAGE_POOL_2D", s, x)


def max_pool(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    return _pool("MAX_POOL_2D", s, x)


def _weights(s: Sketch, x: Value, shape: tuple[int, ...], axis: int, per_channel: bool) -> tuple[float, list[Value | int]]:
    """``x``, weights, and a bias or none (-1); with them the scale of the output that fits."""
    channels = shape[axis]
    if x.dtype == "float32":
        kernel = s.constant(s.random.normal(0, 1, shape), "float32")
        return 0.0, [x, kernel, s.constant(s.random.normal(0, 2, channels), "float32") if s.boolean() else -1]
    scales = [float(np.float32(s.random.uniform(2**-9, 2**-5))) for _ in range(channels if per_channel else 1)]
    kernel = s.weights(s.random.integers(-127, 127, shape, endpoint=True).astype(np.int8), scales, axis)
    bias: int = -1
    if s.boolean():
        products = [float(np.float32(x.scale) * np.float32(scale)) for scale in scales]
        bias = s.weights(s.random.integers(-4000, 4000, channels).astype(np.int32), products, 0)
    natural = x.scale * scales[0] * 70 * float(np.sqrt(np.prod(shape) / channels))
    return natural, [x, kernel, bias]


def conv_2d(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    batch, height, width, depth = x.shape
    padding, down, right = s.choice((SAME, VALID)), s.integer(1, 3), s.integer(1, 3)
    dilations = (s.choice((1, 1, 2)), s.choice((1, 1, 2)))
    high, wide = _kernel(s, height, dilations[0], padding), _kernel(s, width, dilations[1], padding)
    channels = s.choice((s.integer(1, 9), s.integer(1, 36)))
    natural, inputs = _weights(s, x, (channels, high, wide, depth), 0, s.boolean())
    shape = (
        batch,
        _window(height, high, down, dilations[0], padding),
        _window(width, wide, right, dilations[1], padding),
        channels,
    )
    out = s.result(shape, x.dtype, natural)
    s.operator(
        *("CONV_2D", inputs, [out]), padding=padding, strideW=right, strideH=down, dilationWFactor=dilations[1],
        dilationHFactor=dilations[0], fusedActivationFunction=_activation(s)
    )  # fmt: skip
    return [out]


def _kernel(s: Sketch, size: int, dilation: int, padding: int) -> int:
    most = 4 if padding == SAME else min(4, (size - 1) // dilation + 1)
    return s.integer(1, most)


def depthwise_conv_2d(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    batch, height, width, depth = x.shape
    padding, down = s.choice((SAME, VALID)), s.integer(1, 3)
    right = s.choice((down, s.integer(1, 3)))
    dilations = (s.choice((1, 1, 2)), s.choice((1, 1, 2)))
    high, wide = _kernel(s, height, dilations[0], padding), _kernel(s, width, dilations[1], padding)
    multiplier = s.choice((1, 1, 2, 3))
    natural, inputs = _weights(s, x, (1, high, wide, depth * multiplier), 3, s.boolean())
    shape = (
        batch,
        _window(height, high, down, dilations[0], padding),
        _window(width, wide, right, dilations[1], padding),
        depth * multiplier,
    )
    out = s.result(shape, x.dtype, natural)
    inputs = inputs[:2] if inputs[2] == -1 else inputs
    s.operator(
        *("DEPTHWISE_CONV_2D", inputs, [out]), padding=padding, strideW=right, strideH=down, depthMultiplier=multiplier,
        dilationWFactor=dilations[1], dilationHFactor=dilations[0], fusedActivationFunction=_activation(s)
    )  # fmt: skip
    return [out]


def fully_connected(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    depth, units = x.shape[-1], s.choice((s.integer(1, 9), s.integer(1, 36)))
    natural, inputs = _weights(s, x, (units, depth), 0, s.boolean())
    keep = s.boolean()
    shape = (*x.shape[:-1], units) if keep else (x.size // depth, units)
    out = s.result(shape, x.dtype, natural)
    s.operator("FULLY_CONNECTED", inputs, [out], keepNumDims=keep, fusedActivationFunction=_activation(s))
    return [out]


def svdf(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    batch, depth = x.shape
    rank, units, memory = s.integer(1, 3), s.integer(1, 5), s.integer(1, 6)
    filters = rank * units
    if x.dtype == "float32":
        feature, time = (
            s.constant(s.values((filters, depth), "float32"), "float32"),
            s.constant(s.values((filters, memory), "float32"), "float32"),
        )
        bias = s.constant(s.values((units,), "float32"), "float32")  # without one TFLM reads through a null pointer
        state = s.state((batch, memory * filters), "float32", (0.0, 0))
        out, activation = s.value((batch, units), "float32"), s.choice(ACTIVATIONS)
    else:
        kind = s.choice(("int16", "int8"))
        weights, weights_time = s.scale(-9, -5), s.scale(-9, -5)
        remembered = s.near(x.scale * weights * 70 * depth**0.5 / (1 if kind == "int8" else 200))
        feature = s.constant(s.values((filters, depth), "int8"), "int8", (weights, 0))
        time = s.constant(s.values((filters, memory), kind), kind, (weights_time, 0))
        state = s.state((batch, memory * filters), kind, (remembered, 0))
        product = float(np.float32(remembered) * np.float32(weights_time))
        bias = s.constant(s.random.integers(-9000, 9000, units), "int32", (product, 0))
        out = s.result((batch, units), "int8", product * (70 if kind == "int8" else 2e6) * (rank * memory) ** 0.5)
        activation = NONE  # TFLM forgets any other
    s.operator("SVDF", [x, feature, time, bias, state], [out], rank=rank, fusedActivationFunction=activation)
    return [out]
