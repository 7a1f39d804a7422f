"""Either engine gives what TensorFlow Lite Micro gives, byte for byte, and refuses what is no sound model.

The wheel is the judge of both: of our own engine, and of TFLM's library behind our interface (TFLM_ROOT).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from building import built
from flatbuffers import Builder
from native_engine import NativeEngine, Refused, by_reference, has_operator, reference

from edged.core.operators import CUSTOM_BUILTIN

MODELS = ["person_detect", "hello_world_int8", "micro_speech_quantized", "blazeface_128x128_quant"]
PRESETS = {"native": "host", "tflm": "host-tflm"}
MOST_OF_A_BYTE = 127
"""What the first field for an operator's code holds, where the second has the rest."""


@pytest.fixture(scope="session", params=PRESETS)
def library(request: pytest.FixtureRequest) -> Path:
    if request.param == "tflm" and "TFLM_ROOT" not in os.environ:
        pytest.skip("TFLM_ROOT is not set: a checkout of tflite-micro with its library built (firmware/ml/tflm/README.md)")
    return built(PRESETS[request.param], "libedged_ml_host.so")


@pytest.fixture
def model(test_data: Path) -> Callable[[str], bytes]:
    return lambda name: (test_data / "models" / f"{name}.tflite").read_bytes()


def grey(path: Path) -> np.ndarray[Any, Any]:
    """A 96x96 picture whose bytes are int8 already; a BMP's rows go upward."""
    return np.frombuffer(path.read_bytes()[-96 * 96 :], np.int8).reshape(96, 96)[::-1].reshape(1, 96, 96, 1)


@pytest.mark.parametrize("name", MODELS)
def test_random_inputs_come_out_as_from_tflm(library: Path, model: Callable[[str], bytes], name: str) -> None:
    engine, judge = NativeEngine(library, model(name)), reference(model(name))
    random = np.random.default_rng(1)
    shape, dtype = engine.inputs[0].shape, engine.inputs[0].dtype
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    drawn = [random.integers(low, high, shape, dtype, endpoint=True) for _ in range(8)]
    for given in [*drawn, *(np.full(shape, value, dtype) for value in (low, high, (low + high + 1) // 2))]:
        wanted = by_reference(judge, [given], len(engine.outputs))
        assert [one.tobytes() for one in engine.invoke(given)] == [one.tobytes() for one in wanted]


@pytest.mark.parametrize(("picture", "scores"), [("person", [-113, 113]), ("no_person", [57, -57])])
def test_a_person_is_seen(library: Path, model: Callable[[str], bytes], test_data: Path, picture: str, scores: list[int]) -> None:
    engine = NativeEngine(library, model("person_detect"))
    assert engine.invoke(grey(test_data / "media" / f"{picture}.bmp"))[0].tolist() == [scores]


def test_a_model_for_the_edge_tpu_is_refused_by_its_operator(library: Path, model: Callable[[str], bytes]) -> None:
    with pytest.raises(Refused, match="operator is not supported") as refused:
        NativeEngine(library, model("mobilenet_v1_0.25_128_quant_edgetpu"), 8 << 20)
    assert (refused.value.op_index, refused.value.op_code) == (0, 32)


def with_operator(model: bytes, code: int, custom: str | None = None) -> bytes:
    """The model, whose first operator is another one, and has no operands."""
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    first = tree.operatorCodes[tree.subgraphs[0].operators[0].opcodeIndex]
    first.builtinCode, first.deprecatedBuiltinCode, first.customCode = code, min(code, MOST_OF_A_BYTE), custom
    tree.subgraphs[0].operators[0].inputs = None
    builder = Builder(4096)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_the_operators_that_it_says_it_has_are_those_that_it_does_not_refuse(library: Path, model: Callable[[str], bytes]) -> None:
    """Without operands each is refused, but one that is there not for being none."""
    lacks, hello = set(), model("hello_world_int8")
    for code in (code for code in range(256) if code != CUSTOM_BUILTIN):
        with pytest.raises(Refused) as refused:
            NativeEngine(library, with_operator(hello, code))
        assert refused.value.op_code == code
        if refused.value.what == "operator is not supported":
            lacks.add(code)
    assert {code for code in range(-1, 300) if not has_operator(library, code)} - {CUSTOM_BUILTIN} == {-1, *lacks, *range(256, 300)}
    assert 0 not in lacks and 112 in lacks


def test_a_builtin_operator_has_no_name_of_a_custom_one(library: Path, model: Callable[[str], bytes]) -> None:
    for code, name in ((112, ""), (CUSTOM_BUILTIN, "twist")):
        with pytest.raises(Refused, match="operator is not supported") as refused:
            NativeEngine(library, with_operator(model("hello_world_int8"), code, "twist"))
        assert (refused.value.op_code, refused.value.custom) == (code, name)


def test_every_beginning_of_a_model_is_refused(library: Path, model: Callable[[str], bytes]) -> None:
    whole = model("hello_world_int8")
    for end in range(0, len(whole) - 16, 7):
        with pytest.raises(Refused):
            NativeEngine(library, whole[:end])


def test_a_model_at_an_odd_address_is_refused(library: Path, model: Callable[[str], bytes]) -> None:
    with pytest.raises(Refused, match="multiple of 16"):
        NativeEngine(library, model("hello_world_int8"), model_offset=4)
