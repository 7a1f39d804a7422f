"""Every operator of the native engine against TensorFlow Lite Micro, on models drawn at random.

Integers must be equal to the bit. So must float32, but where exp or tanh of a C library take part: there the last digits are
the library's, and TOLERANCE of the larger of 1 and the value is allowed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from batches import MACHINES, PROGRAM, run_batch
from building import built
from fuzz_seeds import drawn
from generated_models import KINDS, graphs, one_operator
from hypothesis import given, settings
from micro_reference import Reference, ReferenceRefused
from model_sketch import Case
from native_engine import NativeEngine, Refused

EXAMPLES = int(os.environ.get("EDGED_EXAMPLES", "40"))
"""Models of each operator; thousands are for a night."""

ARENA_BYTES = 1 << 20
TOLERANCE = 1e-6
BY_LIBRARY = frozenset({"LOGISTIC", "TANH", "SOFTMAX"})

thorough = settings(
    max_examples=EXAMPLES, suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much]
)


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    made = Reference()
    yield made
    made.close()


@pytest.fixture(scope="module")
def library() -> Path:
    return built("host", "libedged_ml_host.so")


def _judge(case: Case, got: Sequence[np.ndarray], want: Sequence[np.ndarray], exact: bool) -> None:
    assert [values.dtype for values in got] == [values.dtype for values in want], case
    for mine, theirs in zip(got, want, strict=True):
        assert mine.shape == theirs.shape, case
        if exact or mine.dtype != np.float32:
            np.testing.assert_array_equal(mine, theirs, err_msg=repr(case))
        else:
            np.testing.assert_allclose(mine, theirs, rtol=TOLERANCE, atol=TOLERANCE, err_msg=repr(case))


def _judge_on_host(case: Case, library: Path, reference: Reference, exact: bool) -> None:
    try:
        wanted = reference.run(case.model, case.invocations)
    except ReferenceRefused:  # scales too far from each other, rarely: TFLM aborts
        with pytest.raises(Refused):
            NativeEngine(library, case.model, ARENA_BYTES)
        return
    engine = NativeEngine(library, case.model, ARENA_BYTES)
    for inputs, want in zip(case.invocations, wanted, strict=True):
        _judge(case, engine.invoke(*inputs), want, exact)


@pytest.mark.parametrize("name", KINDS)
def test_an_operator_computes_what_tflm_computes(name: str, library: Path, reference: Reference) -> None:
    @thorough
    @given(one_operator(name))
    def judge(case: Case) -> None:
        _judge_on_host(case, library, reference, exact=name not in BY_LIBRARY)

    judge()


def test_a_state_that_was_forgotten_is_that_of_the_first_invoke(library: Path, reference: Reference) -> None:
    @thorough
    @given(one_operator("SVDF"))
    def judge(case: Case) -> None:
        engine = NativeEngine(library, case.model, ARENA_BYTES)
        for _ in range(2):
            for inputs, want in zip(case.invocations, reference.run(case.model, case.invocations), strict=True):
                _judge(case, engine.invoke(*inputs), want, exact=True)
            engine.reset_state()

    judge()


@settings(thorough, max_examples=4 * EXAMPLES)
@given(case=graphs())
def test_a_graph_computes_what_tflm_computes(case: Case, library: Path, reference: Reference) -> None:
    """Branches, tensors that live long, outputs in the middle: nothing lies where something else is still needed."""
    _judge_on_host(case, library, reference, exact=not any(name in case.said for name in BY_LIBRARY))


@cache
def _sample() -> tuple[Case, ...]:
    """The same models every time: eight of each operator, and as many graphs without float32 as there are operators."""
    cases: list[Case] = []
    for strategy, count in [*((one_operator(name), 8) for name in KINDS), (graphs(dtypes=("int8",)), len(KINDS))]:
        cases += drawn(strategy, count)
    return tuple(cases)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_core_computes_what_tflm_computes(machine: str, reference: Reference) -> None:
    """On other instructions and another C library: Cortex-M3, M7 and M55."""
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("no qemu-system-arm")
    program = built(machine, f"{PROGRAM}").with_suffix(".elf")
    cases = _sample()
    for case, (status, outputs) in zip(cases, run_batch(program, machine, cases), strict=True):
        assert status == 0, case
        wanted = [values for want in reference.run(case.model, case.invocations) for values in want]
        got = [np.frombuffer(data, want.dtype).reshape(want.shape) for data, want in zip(outputs, wanted, strict=True)]
        _judge(case, got, wanted, exact=not any(name in case.said for name in BY_LIBRARY))
