"""Random models: of one operator, or small graphs of several with branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import operators_arithmetic as arithmetic
import operators_shape as shape
from hypothesis import assume
from hypothesis import strategies as st
from model_sketch import MAX_ELEMENTS, Case, Sketch, Value

Adds = Callable[[Sketch, Value, list[Value]], list[Value]]

ANY_RANK = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Kind:
    """An operator, and the ranks and types of its first input that TFLM accepts."""

    adds: Adds
    dtypes: tuple[str, ...]
    ranks: tuple[int, ...] = ANY_RANK
    invocations: int = 1

    def accepts(self, value: Value) -> bool:
        if value.dtype == "int32" and bool(value.scale) != (self.adds is arithmetic.quantize):
            return False  # what has a scale is only quantised further
        return value.dtype in self.dtypes and len(value.shape) in self.ranks and value.size <= MAX_ELEMENTS


_I8, _F, _I16, _I32, _U8 = "int8", "float32", "int16", "int32", "uint8"

KINDS: Mapping[str, Kind] = {
    "ADD": Kind(arithmetic.add, (_I8, _F, _I16, _I32), (1, 2, 3, 4, 5)),
    "ARG_MAX": Kind(arithmetic.arg_max, (_I8, _F)),
    "AVERAGE_POOL_2D": Kind(arithmetic.average_pool, (_I8, _F), (4,)),
    "CONCATENATION": Kind(shape.concatenation, (_I8, _F, _I16, _I32, "bool"), (1, 2, 3, 4, 5)),
    "CONV_2D": Kind(arithmetic.conv_2d, (_I8, _F), (4,)),
    "DEPTHWISE_CONV_2D": Kind(arithmetic.depthwise_conv_2d, (_I8, _F), (4,)),
    "DEQUANTIZE": Kind(arithmetic.dequantize, (_I8, _I16, _U8)),
    "FULLY_CONNECTED": Kind(arithmetic.fully_connected, (_I8, _F), (2, 3, 4)),
    "LOGISTIC": Kind(arithmetic.logistic, (_I8, _F)),
    "MAXIMUM": Kind(arithmetic.maximum, (_I8, _F, _I16, _I32), (1, 2, 3, 4, 5)),
    "MAX_POOL_2D": Kind(arithmetic.max_pool, (_I8, _F), (4,)),
    "MEAN": Kind(arithmetic.mean, (_I8, _F, _I16)),
    "MINIMUM": Kind(arithmetic.minimum, (_I8, _F, _I16, _I32), (1, 2, 3, 4, 5)),
    "MUL": Kind(arithmetic.mul, (_I8, _F, _I16, _I32), (1, 2, 3, 4, 5)),
    "PAD": Kind(shape.pad, (_I8, _F, _I16, _I32), (1, 2, 3, 4, 5)),
    "QUANTIZE": Kind(arithmetic.quantize, (_F, _I8, _I16, _I32, _U8)),
    "RELU": Kind(arithmetic.relu, (_I8, _F, _I16)),
    "RELU6": Kind(arithmetic.relu6, (_I8, _F, _I16)),
    "RESHAPE": Kind(shape.reshape, (_I8, _F, _I16, _I32)),
    "RESIZE_BILINEAR": Kind(shape.resize_bilinear, (_I8, _F), (4,)),
    "RESIZE_NEAREST_NEIGHBOR": Kind(shape.resize_nearest, (_I8, _F, _I16), (4,)),
    "SOFTMAX": Kind(arithmetic.softmax, (_I8, _F)),
    "SPLIT": Kind(shape.split, (_I8, _F, _I16, _I32)),
    "STRIDED_SLICE": Kind(shape.strided_slice, (_I8, _F, _I16, _I32, "bool")),
    "SUB": Kind(arithmetic.sub, (_I8, _F, _I16, _I32), (1, 2, 3, 4, 5)),
    "SVDF": Kind(arithmetic.svdf, (_I8, _F), (2,), invocations=4),
    "TANH": Kind(arithmetic.tanh, (_I8, _F)),
    "TRANSPOSE": Kind(shape.transpose, (_I8, _F, _I16), (1, 2, 3, 4, 5)),
}
"""By the name of the operator in TFLite's schema; PADV2 is drawn among PAD."""


@st.composite
def one_operator(draw: Any, name: str, dtypes: Sequence[str] | None = None) -> Case:
    """A model whose only operator is ``name``."""
    kind, sketch = KINDS[name], Sketch(draw)
    dtype = sketch.choice(dtypes or kind.dtypes)
    quantisation = (sketch.scale(-12, -5), 0) if dtype == _I32 and name == "QUANTIZE" else None
    if dtype == _I8 and name in ("LOGISTIC", "TANH", "SOFTMAX"):  # where the curves are not flat
        quantisation = sketch.scale(-8, -2), sketch.integer(-128, 127)
    x = sketch.input(sketch.shape(kind.ranks), dtype, quantisation)
    outputs = kind.adds(sketch, x, [x])
    assume(outputs)
    return sketch.finish(outputs, kind.invocations)


@st.composite
def graphs(draw: Any, names: Sequence[str] = tuple(KINDS), most: int = 8, dtypes: Sequence[str] = (_I8, _I8, _F)) -> Case:
    """A graph of up to ``most`` operators, each behind something that is there already: chains, branches and what joins them."""
    sketch = Sketch(draw)
    live = [sketch.input(sketch.shape((4, 4, 2, 3)), sketch.choice(dtypes))]
    inputs = [*live]
    used: set[int] = set()
    for _ in range(sketch.integer(2, most)):
        recent = live[-3:] if sketch.boolean() else live
        x = sketch.choice(recent)
        fitting = [name for name in names if KINDS[name].accepts(x)]
        if not fitting or not x.shape or (x.dtype == _F and _F not in dtypes):
            continue
        made = KINDS[sketch.choice(fitting)].adds(sketch, x, live)
        used.add(x.index)
        live += [value for value in made if value.size]
    computed = [value for value in live if value not in inputs]
    assume(computed)
    ends = [value for value in computed if value.index not in used]
    between = [value for value in computed if value.index in used and sketch.integer(0, 5) == 0]
    return sketch.finish((ends[:8] + between[:4]) or computed[-1:], 2)
