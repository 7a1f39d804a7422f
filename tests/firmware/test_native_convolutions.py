"""What networks rarely have, against TFLM itself: groups, wide multipliers, weights with a zero point, softmax to int16."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from batches import MACHINES, PROGRAM, run_batch
from building import built
from fuzz_seeds import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from micro_reference import Reference
from model_sketch import Case, Sketch
from native_engine import NativeEngine
from tflite_names import ACTIVATIONS, SAME, VALID

Draw = Callable[..., object]


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    made = Reference()
    yield made
    made.close()


@pytest.fixture(scope="module")
def library() -> Path:
    return built("host", "libedged_ml_host.so")


def weights(s: Sketch, shape: tuple[int, ...], scales: int, axis: int) -> int:
    values = s.random.integers(-128, 127, shape, endpoint=True).astype(np.int8)
    return s.weights(values, [float(np.float32(s.random.uniform(0.002, 0.02))) for _ in range(scales)], axis)


@st.composite
def grouped(draw: Draw) -> Case:
    """CONV_2D of 2 to 4 groups."""
    s = Sketch(draw)
    groups, depth, rows, size = s.integer(2, 4), s.integer(1, 9), s.integer(1, 7), s.integer(3, 6)
    x = s.input((1, size, size, groups * depth), "int8")
    side, stride = s.integer(1, 3), s.integer(1, 2)
    channels = groups * rows
    kernel = weights(s, (channels, side, side, depth), channels, 0)
    bias = s.weights(s.random.integers(-5000, 5000, channels).astype(np.int32), [1.0] * channels, 0)
    padding = s.choice((SAME, VALID))
    out_size = -(-size // stride) if padding == SAME else (size - side) // stride + 1
    out = s.result((1, out_size, out_size, channels), "int8", 0.7 * x.scale)
    options = {"padding": padding, "strideW": stride, "strideH": stride, "dilationWFactor": 1, "dilationHFactor": 1}
    s.operator("CONV_2D", [x, kernel, bias], [out], fusedActivationFunction=s.choice(ACTIVATIONS), **options)
    return s.finish([out])


@st.composite
def widened(draw: Draw) -> Case:
    """DEPTHWISE_CONV_2D with a multiplier up to 20, or with more channels than sums wait to be finished."""
    s = Sketch(draw)
    multiplier = s.choice((1, 4, 5, 8, 12, 20))
    depth = s.integer(1, 40 if multiplier == 1 else 3)
    height, width = s.integer(1, 5), s.integer(1, 5)
    x = s.input((s.integer(1, 2), height, width, depth), "int8")
    channels = depth * multiplier
    kernel = weights(s, (1, 3, 3, channels), channels, 3)
    out = s.result((x.shape[0], height, width, channels), "int8", 0.5 * x.scale)
    options = {
        "padding": SAME,
        "strideW": 1,
        "strideH": 1,
        "dilationWFactor": 1,
        "dilationHFactor": 1,
        "depthMultiplier": multiplier,
    }
    s.operator("DEPTHWISE_CONV_2D", [x, kernel], [out], fusedActivationFunction=s.choice(ACTIVATIONS), **options)
    return s.finish([out])


@st.composite
def deep(draw: Draw) -> Case:
    """FULLY_CONNECTED of any depth, whose weights have a zero point if there is one scale for all."""
    s = Sketch(draw)
    batch, depth, units = s.integer(1, 3), s.integer(1, 200), s.integer(1, 40)
    x = s.input((batch, depth), "int8")
    values = s.random.integers(-128, 127, (units, depth), endpoint=True).astype(np.int8)
    kernel = s.constant(values, "int8", (float(np.float32(s.random.uniform(0.002, 0.02))), s.integer(-128, 127)))
    out = s.result((batch, units), "int8", 0.01 * x.scale * depth)
    s.operator("FULLY_CONNECTED", [x, kernel, -1], [out], fusedActivationFunction=s.choice(ACTIVATIONS))
    return s.finish([out])


@st.composite
def finer(draw: Draw) -> Case:
    """SOFTMAX from int8 to int16."""
    s = Sketch(draw)
    x = s.input((s.integer(1, 3), s.integer(1, 50)), "int8", (s.scale(-8, 1), s.integer(-128, 127)))
    out = s.value(x.shape, "int16", (1 / 65536, -32768))
    s.operator("SOFTMAX", [x], [out], beta=s.choice((1.0, 0.5, 3.0)))
    return s.finish([out])


DRAWS = [grouped, widened, deep, finer]


@pytest.mark.parametrize("draws", DRAWS)
def test_it_computes_what_tflm_computes(draws: Callable[[], st.SearchStrategy[Case]], library: Path, reference: Reference) -> None:
    @settings(max_examples=60, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    @given(draws())
    def judge(case: Case) -> None:
        wanted = reference.run(case.model, case.invocations)
        engine = NativeEngine(library, case.model)
        for inputs, want in zip(case.invocations, wanted, strict=True):
            np.testing.assert_array_equal(engine.invoke(*inputs)[0], want[0], err_msg=repr(case))

    judge()


@pytest.mark.parametrize("machine", MACHINES)
def test_a_core_computes_what_tflm_computes(machine: str, reference: Reference) -> None:
    """By the inner loops of its own."""
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("no qemu-system-arm: scripts/test installs it")
    cases = [case for draws in DRAWS for case in drawn(draws(), 25)]
    program = built(machine, f"{PROGRAM}.elf")
    for case, (status, outputs) in zip(cases, run_batch(program, machine, cases), strict=True):
        assert status == 0, case
        assert outputs == [want.tobytes() for wants in reference.run(case.model, case.invocations) for want in wants], case
