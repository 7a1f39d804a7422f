"""The native engine takes about the memory that TensorFlow Lite Micro takes, and refuses with a reason what it cannot run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema
from building import built
from flatbuffers import Builder
from native_engine import NativeEngine, Refused, reference

MODELS = ["person_detect", "hello_world_int8", "micro_speech_quantized", "blazeface_128x128_quant"]
ARENA_RATIO = 1.15
"""Most memory that the engine may take, by what TFLM takes for the same model."""

MALFORMED, UNSUPPORTED, TOO_LARGE, OUT_OF_RANGE = 2, 4, 5, 6  # of edged::Status


@pytest.fixture(scope="session")
def library() -> Path:
    return built("host", "libedged_ml_host.so")


@pytest.fixture
def model(test_data: Path) -> Callable[[str], bytes]:
    return lambda name: (test_data / "models" / f"{name}.tflite").read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_memory_is_about_what_tflm_takes(
    library: Path, model: Callable[[str], bytes], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    reference(model(name)).print_allocations()
    printed = "".join(capfd.readouterr())
    theirs = re.search(r"Arena allocation total (\d+) bytes", printed)
    assert theirs, printed
    assert NativeEngine(library, model(name)).arena_used <= ARENA_RATIO * int(theirs[1])


@pytest.mark.parametrize("name", MODELS)
def test_an_arena_that_is_too_small_is_told_what_is_needed(library: Path, model: Callable[[str], bytes], name: str) -> None:
    used = NativeEngine(library, model(name)).arena_used
    assert NativeEngine(library, model(name), used).arena_used == used
    with pytest.raises(Refused) as refused:
        NativeEngine(library, model(name), used - 16)
    assert (refused.value.status, refused.value.needed) == (TOO_LARGE, used)
    arena = 0
    for _ in range(5):  # below what the tables take, what is needed is told step by step
        with pytest.raises(Refused) as refused:
            NativeEngine(library, model(name), arena)
        arena = refused.value.needed
        if arena == used:
            break
    assert arena == used


def test_uint8_convolutions_are_refused_as_tflm_refuses_them(library: Path, model: Callable[[str], bytes]) -> None:
    with pytest.raises(Refused, match="types are not supported") as refused:
        NativeEngine(library, model("mobilenet_v1_0.25_128_quant"), 8 << 20)
    assert (refused.value.op_index, refused.value.op_code) == (0, 3)
    with pytest.raises(RuntimeError):
        reference(model("mobilenet_v1_0.25_128_quant"), 8 << 20)


Change = Callable[[Any], None]


def operator(model: Any, index: int) -> Any:
    return model.subgraphs[0].operators[index]


def weights_of(model: Any, index: int) -> Any:
    return model.subgraphs[0].tensors[operator(model, index).inputs[1]]


def of_operator(index: int, **fields: Any) -> Change:
    def change(model: Any) -> None:
        for name, value in fields.items():
            setattr(operator(model, index), name, value)

    return change


def of_input(**fields: Any) -> Change:
    def change(model: Any) -> None:
        for name, value in fields.items():
            setattr(model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]], name, value)

    return change


def of_weights(index: int, **fields: Any) -> Change:
    def change(model: Any) -> None:
        for name, value in fields.items():
            setattr(weights_of(model, index).quantization, name, value)

    return change


def unknown_operator(model: Any) -> None:
    model.operatorCodes[0].deprecatedBuiltinCode = model.operatorCodes[0].builtinCode = 107


def swapped(model: Any) -> None:
    model.subgraphs[0].operators[0:2] = model.subgraphs[0].operators[1::-1]


def written_twice(model: Any) -> None:
    operator(model, 1).outputs = list(operator(model, 0).outputs)


def elsewhere(model: Any) -> None:
    model.buffers[weights_of(model, 1).buffer].offset = 4096


def shortened(model: Any) -> None:
    buffer = model.buffers[weights_of(model, 1).buffer]
    buffer.data = buffer.data[:-1]


def unknown_activation(model: Any) -> None:
    operator(model, 1).builtinOptions.fusedActivationFunction = 4


def two_graphs(model: Any) -> None:
    model.subgraphs.append(model.subgraphs[0])


def other_version(model: Any) -> None:
    model.version = 4


DAMAGES: dict[str, tuple[Change, int, str, int, int]] = {
    "operator": (unknown_operator, UNSUPPORTED, "operator is not supported", 0, 107),
    "order": (swapped, MALFORMED, "reads a tensor before it is written", 0, 9),
    "operand": (of_operator(2, inputs=[0, 99, 2]), OUT_OF_RANGE, "tensor that is not there", 2, 9),
    "output": (written_twice, MALFORMED, "has its value already", 1, 9),
    "no weights": (of_operator(1, inputs=[7, -1, -1]), MALFORMED, "operand was left out", 1, 9),
    "many operands": (of_operator(1, inputs=[-1] * 33), TOO_LARGE, "more than 32 operands", 1, 9),
    "weights elsewhere": (elsewhere, UNSUPPORTED, "behind the flatbuffer", 1, 9),
    "short weights": (shortened, MALFORMED, "does not have the bytes of its shape", 1, 9),
    "scale": (of_weights(2, scale=[float("nan")]), MALFORMED, "scale is not above zero", 2, 9),
    "channels": (of_weights(2, scale=[1.0] * 3, zeroPoint=[0] * 3), MALFORMED, "one scale for each of its channels", 2, 9),
    "zero point": (of_weights(0, zeroPoint=[128]), MALFORMED, "zero point", 0, 9),
    "activation": (unknown_activation, UNSUPPORTED, "fused activation", 1, 9),
    "options": (of_operator(1, builtinOptionsType=5), MALFORMED, "options are those of another", 1, 9),
    "shape": (of_input(shape=[1, 0]), UNSUPPORTED, "not above zero", -1, -1),
    "rank": (of_input(shape=[1] * 7), TOO_LARGE, "more than 6 dimensions", -1, -1),
    "bytes": (of_input(shape=[1 << 14, 1 << 14]), TOO_LARGE, "64 MB", -1, -1),
    "state": (of_input(isVariable=True), MALFORMED, "an input is a constant or a state", -1, -1),
    "type": (of_input(type=5), UNSUPPORTED, "type is not supported", -1, -1),
    "subgraphs": (two_graphs, UNSUPPORTED, "one subgraph", -1, -1),
    "version": (other_version, UNSUPPORTED, "version of the schema", -1, -1),
}
"""What may be wrong with a good flatbuffer: what is done to hello_world, and the diagnosis: status, reason, operator, its code."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_wrong_is_named(library: Path, model: Callable[[str], bytes], damage: str) -> None:
    change, status, reason, op_index, op_code = DAMAGES[damage]
    tree = schema.ModelT.InitFromPackedBuf(model("hello_world_int8"), 0)
    change(tree)
    builder = Builder(4096)
    builder.Finish(tree.Pack(builder), b"TFL3")
    with pytest.raises(Refused, match=reason) as refused:
        NativeEngine(library, bytes(builder.Output()))
    assert (refused.value.status, refused.value.op_index, refused.value.op_code) == (status, op_index, op_code)
