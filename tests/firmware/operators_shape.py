"""Operators that move values about: each adds itself to a sketch behind ``x`` and returns what it writes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from model_sketch import Sketch, Value


def _same(s: Sketch, x: Value, shape: Sequence[int]) -> Value:
    return s.value(shape, x.dtype, (x.scale, x.zero_point))


def reshape(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    left, shape = x.size, []
    for _ in range(s.integer(0, 3)):
        shape.append(s.choice([size for size in range(1, left + 1) if left % size == 0]))
        left //= shape[-1]
    shape.append(left)
    out = _same(s, x, shape)
    if s.boolean():
        s.operator("RESHAPE", [x], [out], newShape=shape)
    else:
        given = [*shape]
        if s.boolean():
            given[s.integer(0, len(given) - 1)] = -1
        s.operator("RESHAPE", [x, s.constant(given, "int32")], [out])
    return [out]


def pad(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    paddings = [(s.integer(0, 2), s.integer(0, 2)) for _ in x.shape]
    out = _same(s, x, [before + size + after for size, (before, after) in zip(x.shape, paddings, strict=True)])
    given = s.constant(paddings, "int32")
    if s.boolean():
        s.operator("PAD", [x, given], [out])
    else:
        fill = s.constant(s.values((1,), x.dtype), x.dtype, (x.scale, x.zero_point))
        s.operator("PADV2", [x, given, fill], [out])
    return [out]


def concatenation(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    axis = s.integer(0, len(x.shape) - 1)
    parts = [x]
    for _ in range(s.integer(1, 3)):
        fitting = [v for v in live if _joins(v, x, axis)]
        shape = [s.integer(1, 3) if i == axis else size for i, size in enumerate(x.shape)]
        if fitting and s.boolean():
            parts.append(s.choice(fitting))
        elif s.boolean():
            parts.append(s.constant(s.values(shape, x.dtype), x.dtype, (x.scale, x.zero_point)))
        else:
            parts.append(s.input(shape, x.dtype, (x.scale, x.zero_point)))
    if s.boolean():
        parts.reverse()
    out = _same(s, x, [sum(part.shape[axis] for part in parts) if i == axis else size for i, size in enumerate(x.shape)])
    s.operator("CONCATENATION", parts, [out], axis=axis - len(x.shape) if s.boolean() else axis)
    return [out]


def _joins(a: Value, b: Value, axis: int) -> bool:
    if (a.dtype, a.scale, a.zero_point, len(a.shape)) != (b.dtype, b.scale, b.zero_point, len(b.shape)):
        return False
    return all(i == axis or one == other for i, (one, other) in enumerate(zip(a.shape, b.shape, strict=True)))


def split(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    axis = s.integer(0, len(x.shape) - 1)
    parts = s.choice([count for count in range(1, min(x.shape[axis], 6) + 1) if x.shape[axis] % count == 0])
    outs = [_same(s, x, [size // parts if i == axis else size for i, size in enumerate(x.shape)]) for _ in range(parts)]
    given = np.int32(axis - len(x.shape) if s.boolean() else axis)
    s.operator("SPLIT", [s.constant([given] if s.boolean() else given, "int32"), x], outs, numSplits=parts)
    return outs


def transpose(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    order = list(s.random.permutation(len(x.shape)))
    out = _same(s, x, [x.shape[i] for i in order])
    s.operator("TRANSPOSE", [x, s.constant(order, "int32")], [out])
    return [out]


def strided_slice(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    begins, ends, strides, shape = [], [], [], []
    masks = {"beginMask": 0, "endMask": 0, "shrinkAxisMask": 0}
    for i, size in enumerate(x.shape):
        stride = s.choice((1, 1, 2, 3, -1, -2))
        kept = sorted((s.integer(0, size - 1), s.integer(0, size - 1)))
        first, last = kept if stride > 0 else kept[::-1]
        shrinks, whole_begin, whole_end = s.integer(0, 5) == 0, s.integer(0, 3) == 0, s.integer(0, 3) == 0
        stop: int | None = last + (1 if stride > 0 else -1)
        if shrinks:
            stride, whole_begin = 1, False  # what TFLM makes of both is not what TensorFlow makes of it
        begins.append(first - size if s.boolean() else first)
        if stop == -1:  # before the first: only a number far below says so, -1 is the last
            ends.append(-size - 1 - s.integer(0, 3))
        else:
            ends.append(stop - size if s.boolean() and stop < size else stop + (s.integer(0, 2) if stop == size else 0))
        strides.append(stride)
        masks["beginMask"] |= whole_begin << i
        masks["endMask"] |= whole_end << i
        masks["shrinkAxisMask"] |= shrinks << i
        if not shrinks:
            start = (0 if stride > 0 else size - 1) if whole_begin else first
            stop = (size if stride > 0 else -1) if whole_end else stop
            shape.append(len(range(start, stop, stride)))
    if 0 in shape:  # nothing left: TFLM takes that for a tensor that is not there
        return []
    out = _same(s, x, shape)
    given = [s.constant(numbers, "int32") for numbers in (begins, ends, strides)]
    s.operator("STRIDED_SLICE", [x, *given], [out], **masks)
    return [out]


def resize_nearest(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    size = (s.integer(1, 12), s.integer(1, 12))
    out = _same(s, x, (x.shape[0], *size, x.shape[3]))
    options = {"alignCorners": s.boolean(), "halfPixelCenters": s.boolean()}
    s.operator("RESIZE_NEAREST_NEIGHBOR", [x, s.constant(size, "int32")], [out], **options)
    return [out]


def resize_bilinear(s: Sketch, x: Value, live: list[Value]) -> list[Value]:
    size = (s.integer(1, 12), s.integer(1, 12))
    out = _same(s, x, (x.shape[0], *size, x.shape[3]))
    aligned = s.boolean()
    options = {"alignCorners": aligned, "halfPixelCenters": not aligned and s.boolean()}
    s.operator("RESIZE_BILINEAR", [x, s.constant(size, "int32")], [out], **options)
    return [out]
