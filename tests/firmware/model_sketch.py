"""A model in the making, with random choices by hypothesis: what the operators of ``model_operators`` draw on.

Structure (shapes, options, scales) is drawn by hypothesis, so that a failure shrinks to a small model; the bulk of values comes
from numpy with a drawn seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from edged.testing.tflite_graph import GraphWriter

T = TypeVar("T")
Invocation = list[np.ndarray]

MAX_ELEMENTS = 1500  # of one tensor: so that thousands of models run in a minute
QUANTISED = ("int8", "int16", "uint8")


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph; ``scale`` is 0 where it is not quantised."""

    index: int
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Case:
    """A model and what to feed it: one list of inputs for each invocation."""

    model: bytes
    invocations: list[Invocation]
    said: str  # what is in it, for a failure's report

    def __repr__(self) -> str:
        return self.said


class Sketch:
    """Writes a graph while drawing it."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._writer = GraphWriter()
        self._inputs: list[Value] = []
        self._said: list[str] = []
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    # What is drawn

    def integer(self, low: int, high: int) -> int:
        return int(self._draw(st.integers(low, high)))

    def choice(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))  # type: ignore[no-any-return]

    def boolean(self) -> bool:
        return bool(self._draw(st.booleans()))

    def scale(self, low: int = -9, high: int = 1) -> float:
        """A scale as files have it, between two powers of two, often one of them: rounded to float32."""
        power = 2.0 ** self.integer(low, high)
        return float(np.float32(power if self.integer(0, 3) == 0 else power * self.random.uniform(1, 2)))

    def near(self, scale: float) -> float:
        """A scale like ``scale``, as a converter finds it for values that fill the range: some are cut off, or use a part of it."""
        if self.integer(0, 9) == 0:
            return self.scale()
        return float(np.float32(scale * 2.0 ** self.integer(-2, 2) * self.random.uniform(0.8, 1.25)))

    def shape(self, ranks: Sequence[int], limit: int = 7) -> tuple[int, ...]:
        rank = self.choice(ranks)
        made = [self.integer(1, limit) for _ in range(rank)]
        if self.integer(0, 3) == 0:  # more channels than any inner loop takes at a time
            made[-1] = self.integer(1, 70)
        while np.prod(made) > MAX_ELEMENTS:
            made[int(np.argmax(made))] //= 2
        return tuple(made)

    def quantisation(self, dtype: str) -> tuple[float, int]:
        """A scale and zero point that ``dtype`` may have; int16 is symmetric."""
        if dtype == "int8":
            return self.scale(), self.choice((0, -128, self.integer(-128, 127), self.integer(-40, 40)))
        if dtype == "uint8":
            return self.scale(), self.integer(0, 255)
        if dtype == "int16":
            return self.scale(-14, -4), 0
        return 0.0, 0

    # What stands in the graph

    def input(self, shape: Sequence[int], dtype: str, quantisation: tuple[float, int] | None = None) -> Value:
        value = self.value(shape, dtype, quantisation)
        self._inputs.append(value)
        return value

    def value(self, shape: Sequence[int], dtype: str, quantisation: tuple[float, int] | None = None) -> Value:
        """A tensor that an operator is to write."""
        scale, zero = self.quantisation(dtype) if quantisation is None else quantisation
        index = self._writer.tensor(shape, dtype, **_quantised(scale, zero))
        return Value(index, tuple(shape), dtype, scale, zero)

    def result(self, shape: Sequence[int], dtype: str, natural: float) -> Value:
        """A tensor that an operator is to write, of a scale near ``natural`` if it is quantised."""
        scale, zero = self.quantisation(dtype)
        if dtype == "int16":
            natural /= 64
        return self.value(shape, dtype, (self.near(natural) if scale else 0.0, zero))

    def state(self, shape: Sequence[int], dtype: str, quantisation: tuple[float, int]) -> Value:
        index = self._writer.tensor(shape, dtype, **_quantised(*quantisation), variable=True)
        return Value(index, tuple(shape), dtype, *quantisation)

    def constant(self, values: Any, dtype: str, quantisation: tuple[float, int] = (0.0, 0)) -> Value:
        array = np.asarray(values, dtype)
        index = self._writer.tensor(array.shape, dtype, **_quantised(*quantisation), data=array)
        return Value(index, array.shape, dtype, *quantisation)

    def weights(self, values: np.ndarray, scales: Sequence[float], axis: int) -> int:
        """A constant with one scale for all of it, or one for each index of ``axis``."""
        return self._writer.tensor(values.shape, str(values.dtype), scale=scales, axis=axis, data=values)

    def operator(self, name: str, inputs: Sequence[Value | int], outputs: Sequence[Value], **options: Any) -> None:
        indices = [value.index if isinstance(value, Value) else value for value in inputs]
        self._writer.operator(name, indices, [value.index for value in outputs], **options)
        tensors = [
            f"{value.dtype}{list(value.shape)}*{value.scale:.4g}{value.zero_point:+}"
            for value in (*inputs, *outputs)
            if isinstance(value, Value)
        ]
        self._said.append(f"{name} {options or ''} {' '.join(tensors)}")

    # What goes through it

    def values(self, shape: Sequence[int], dtype: str) -> np.ndarray:
        """Random values of the whole range that operators are defined for; sometimes only its ends."""
        if dtype == "float32":
            return self.random.normal(0, 3, shape).astype(np.float32)
        if dtype == "bool":
            return self.random.integers(0, 2, shape).astype(np.bool_)
        bounds = np.iinfo(dtype)
        low, high = (bounds.min, bounds.max) if bounds.bits <= 16 else (-(2**24), 2**24)
        if self.random.random() < 0.1:
            return self.random.choice([low, high], shape).astype(dtype)
        return self.random.integers(low, high, shape, endpoint=True).astype(dtype)

    def finish(self, outputs: Sequence[Value], invocations: int = 1) -> Case:
        model = self._writer.finish([value.index for value in self._inputs], [value.index for value in outputs])
        fed = [[self.values(value.shape, value.dtype) for value in self._inputs] for _ in range(invocations)]
        return Case(model, fed, "; ".join(self._said))


def like(value: Value, shape: Sequence[int]) -> Value:
    """``value``'s type and quantisation with another shape; no tensor of its own."""
    return replace(value, shape=tuple(shape))


def _quantised(scale: float, zero_point: int) -> dict[str, Any]:
    return {"scale": (scale,), "zero_point": (zero_point,)} if scale else {}
