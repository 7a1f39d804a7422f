"""TFLM behind our interface: its operators and which of them are linked, what is checked before it, how its library is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from building import FIRMWARE, built, need_tools
from flatbuffers import Builder
from generated_models import KINDS, one_operator
from hypothesis import given, settings
from micro_reference import Reference
from model_sketch import Case
from native_engine import NativeEngine, Refused, has_operator

EXAMPLES = 5
"""Models of each operator: enough to see that it is linked and that its tensors arrive; what it computes is TFLM's own."""

TOLERANCE = 1e-5
"""Of float32: the wheel was built by another compiler."""

MALFORMED, UNSUPPORTED, TOO_LARGE, OUT_OF_RANGE = 2, 4, 5, 6  # of edged::Status


@pytest.fixture(scope="session")
def library() -> Path:
    if "TFLM_ROOT" not in os.environ:
        pytest.skip("TFLM_ROOT is not set: a checkout of tflite-micro with its library built (firmware/ml/tflm/README.md)")
    return built("host-tflm", "libedged_ml_host.so")


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    made = Reference()
    yield made
    made.close()


@pytest.mark.parametrize("name", KINDS)
def test_an_operator_is_linked_and_fed(name: str, library: Path, reference: Reference) -> None:
    @settings(
        max_examples=EXAMPLES, suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much]
    )
    @given(one_operator(name))
    def judge(case: Case) -> None:
        wanted = reference.run(case.model, case.invocations)
        engine = NativeEngine(library, case.model, 1 << 20)
        for inputs, want in zip(case.invocations, wanted, strict=True):
            for mine, theirs in zip(engine.invoke(*inputs), want, strict=True):
                assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape), case
                close = TOLERANCE if mine.dtype == np.float32 else 0
                np.testing.assert_allclose(mine, theirs, rtol=close, atol=close, err_msg=repr(case))

    judge()


def test_a_state_that_was_forgotten_is_that_of_the_first_invoke(library: Path) -> None:
    @settings(max_examples=EXAMPLES)
    @given(one_operator("SVDF", ["int8"]))
    def judge(case: Case) -> None:
        engine = NativeEngine(library, case.model, 1 << 20)
        first = [engine.invoke(*inputs) for inputs in case.invocations]
        engine.reset_state()
        for inputs, wanted in zip(case.invocations, first, strict=True):
            np.testing.assert_array_equal(engine.invoke(*inputs), wanted, err_msg=repr(case))

    judge()


def test_an_arena_that_is_too_small_is_refused(library: Path, test_data: Path) -> None:
    """TFLM does not say how large it would have to be; what was used with room to spare is near enough for the next build."""
    model = (test_data / "models/person_detect.tflite").read_bytes()
    used = NativeEngine(library, model).arena_used
    NativeEngine(library, model, used + 1024)
    for arena in (0, 1, 16, 4096, 16_384, used // 2, used - 64):
        with pytest.raises(Refused) as refused:
            NativeEngine(library, model, arena)
        assert refused.value.status in (TOO_LARGE, UNSUPPORTED), arena  # a library without messages does not tell them apart


def unknown_operator(model: Any) -> None:
    model.operatorCodes[0].deprecatedBuiltinCode = model.operatorCodes[0].builtinCode = 112  # REVERSE_SEQUENCE, which TFLM lacks


def swapped(model: Any) -> None:
    model.subgraphs[0].operators[0:2] = model.subgraphs[0].operators[1::-1]


def absent_operand(model: Any) -> None:
    model.subgraphs[0].operators[1].inputs = [0, 99, -1]


def absent_code(model: Any) -> None:
    model.subgraphs[0].operators[2].opcodeIndex = 3


def weights(model: Any) -> Any:
    return model.subgraphs[0].tensors[model.subgraphs[0].operators[1].inputs[1]]


def short_weights(model: Any) -> None:
    buffer = model.buffers[weights(model).buffer]
    buffer.data = buffer.data[:-1]


def absent_buffer(model: Any) -> None:
    weights(model).buffer = 1000


def no_scale(model: Any) -> None:
    weights(model).quantization.scale = [0.0]


def few_zero_points(model: Any) -> None:
    weights(model).quantization.zeroPoint = []


def absent_dimension(model: Any) -> None:
    quantization = weights(model).quantization
    quantization.scale, quantization.zeroPoint, quantization.quantizedDimension = [1.0] * 16, [0] * 16, 2


def other_channels(model: Any) -> None:
    weights(model).quantization.scale, weights(model).quantization.zeroPoint = [1.0] * 3, [0] * 3


def constant_output(model: Any) -> None:
    model.subgraphs[0].outputs = [model.subgraphs[0].operators[1].inputs[1]]


def forgotten_output(model: Any) -> None:
    model.subgraphs[0].operators.pop()


def deep(model: Any) -> None:
    model.subgraphs[0].tensors[0].shape = [1] * 7


def huge(model: Any) -> None:
    model.subgraphs[0].tensors[0].shape = [1 << 14, 1 << 14]


def other_version(model: Any) -> None:
    model.version = 4


DAMAGES: dict[Callable[[Any], None], tuple[int, str]] = {
    unknown_operator: (UNSUPPORTED, "operator is not supported"),
    swapped: (MALFORMED, "reads a tensor before it is written"),
    absent_operand: (OUT_OF_RANGE, "names a tensor that is not there"),
    absent_code: (OUT_OF_RANGE, "code is not in the list"),
    short_weights: (MALFORMED, "does not have the bytes of its shape"),
    absent_buffer: (OUT_OF_RANGE, "buffer is not there"),
    no_scale: (MALFORMED, "scale is not above zero"),
    few_zero_points: (MALFORMED, "as many zero points as scales"),
    absent_dimension: (MALFORMED, "one scale for each of its channels"),
    other_channels: (MALFORMED, "one scale for each of its channels"),
    constant_output: (UNSUPPORTED, "input or output is a constant"),
    forgotten_output: (MALFORMED, "output is never written"),
    deep: (TOO_LARGE, "more than 6 dimensions"),
    huge: (TOO_LARGE, "larger than 64 MB"),
    other_version: (UNSUPPORTED, "version of the schema"),
}
"""What TFLM would take on trust, done to hello_world: the diagnosis."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_tflm_would_not_look_at_is_refused_before_it_sees_it(
    damage: Callable[[Any], None], library: Path, test_data: Path
) -> None:
    tree = schema.ModelT.InitFromPackedBuf((test_data / "models/hello_world_int8.tflite").read_bytes(), 0)
    damage(tree)
    builder = Builder(4096)
    builder.Finish(tree.Pack(builder), b"TFL3")
    status, reason = DAMAGES[damage]
    with pytest.raises(Refused, match=reason) as refused:
        NativeEngine(library, bytes(builder.Output()))
    assert refused.value.status == status


def configure(directory: Path, *settings: str, preset: str = "host-tflm") -> subprocess.CompletedProcess[str]:
    command = ["cmake", "--preset", preset, "-B", str(directory), f"-DEDGED_PYTHON={sys.executable}", *settings]
    return subprocess.run(command, cwd=FIRMWARE, capture_output=True, text=True, check=False)


def test_a_build_for_one_model_has_its_operators_alone(library: Path, test_data: Path, tmp_path: Path) -> None:
    person, hello = (test_data / "models" / f"{name}.tflite" for name in ("person_detect", "hello_world_int8"))
    done = configure(tmp_path, f"-DEDGED_MODEL={person}")
    assert done.returncode == 0, done.stderr
    subprocess.run(["cmake", "--build", tmp_path, "--target", "edged_ml_host", "-j", "2"], check=True, capture_output=True)
    small = tmp_path / "libedged_ml_host.so"
    linked = [b"Register_FULLY_CONNECTED" in it.read_bytes() for it in (library, small)]
    assert linked == [True, False]
    assert [code for code in range(256) if has_operator(small, code)] == [1, 3, 4, 22, 25]
    NativeEngine(small, person.read_bytes())
    with pytest.raises(Refused, match="operator is not supported") as refused:
        NativeEngine(small, hello.read_bytes())
    assert (refused.value.op_index, refused.value.op_code) == (0, 9)


@pytest.mark.usefixtures("library")
def test_a_board_compiles_with_all_of_them(tmp_path: Path) -> None:
    """Within the guard below the stack, which frames on a host are not held to. Nothing is linked: the library is not there."""
    need_tools("mps2-an385")
    library = tmp_path / "libtensorflow-microlite.a"
    done = configure(tmp_path / "board", "-DEDGED_ENGINE=tflm", f"-DTFLM_LIBRARY={library}", preset="mps2-an385")
    assert done.returncode == 0, done.stderr
    command = ["cmake", "--build", tmp_path / "board", "--target", "edged_ml", "-j", "2"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]


def test_a_build_without_tflm_says_what_to_do(tmp_path: Path) -> None:
    if shutil.which("cmake") is None or shutil.which("ninja") is None:
        pytest.skip("no cmake or ninja: scripts/test installs them")
    done = configure(tmp_path, f"-DTFLM_ROOT={tmp_path}")
    assert done.returncode
    (said,) = (line for line in done.stderr.splitlines() if "TFLM_ROOT" in line)
    assert "needs TFLM_ROOT, a checkout of tflite-micro with a built libtensorflow-microlite.a" in said
    assert "see firmware/ml/tflm/README.md, or build with EDGED_ENGINE=native" in said
