"""The operators of a model, as TensorFlow Lite Micro calls them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import ModelRejected
from edged.core.operators import CUSTOM_BUILTIN
from edged.infer.graph import OperatorKind
from edged.testing.tflite import make_tflite
from edged.tooling.mcu_resolver import header, main, methods
from edged.tooling.tflm_operators import BUILTIN, CUSTOM

KINDS = [OperatorKind(number, "") for number in BUILTIN] + [OperatorKind(CUSTOM_BUILTIN, name) for name in CUSTOM]


def registered(text: str) -> list[str]:
    return re.findall(r"added\(resolver, \[\]\(Resolver& all\) \{ return all\.Add(\w+)\(\); \}\)", text)


def listed(text: str) -> list[int]:
    (codes,) = re.findall(r"int32_t kCodes\[\] = \{([\d, ]+)\};", text)
    return [int(code) for code in codes.split(", ")]


@given(st.lists(st.sampled_from(KINDS), min_size=1))
def test_every_operator_is_registered_once_and_there_is_room_for_it(kinds: list[OperatorKind]) -> None:
    text = header(methods(kinds, "m"), "m")
    names = registered(text)
    assert len(names) == len(set(names)) == len(set(kinds))
    assert f"MicroMutableOpResolver<{len(names)}>" in text


@given(st.lists(st.sampled_from(KINDS), min_size=1))
def test_the_list_of_codes_is_what_was_asked_for(kinds: list[OperatorKind]) -> None:
    """In ascending order, for it is searched; the custom one's code only if there is one."""
    assert listed(header(methods(kinds, "m"), "m")) == sorted({kind.builtin for kind in kinds})


@given(st.integers(0, 300), st.text(max_size=20))
def test_what_tflm_lacks_is_named(number: int, custom: str) -> None:
    kind = OperatorKind(number, custom if number == CUSTOM_BUILTIN else "")
    if kind in KINDS:
        return
    with pytest.raises(ModelRejected, match="has no operator") as caught:
        methods([*KINDS, kind], "m.tflite")
    assert caught.value.fault == "unsupported op"
    assert caught.value.message.startswith("m.tflite: ")
    if number != CUSTOM_BUILTIN:
        assert f"number {number} of" in caught.value.message


def test_a_models_own_operators_are_found(test_data: Path, tmp_path: Path) -> None:
    target = tmp_path / "generated" / "resolver.h"
    assert main([str(target), str(test_data / "models/person_detect.tflite")]) == 0
    assert registered(target.read_text()) == ["AveragePool2D", "Conv2D", "DepthwiseConv2D", "Reshape", "Softmax"]
    assert listed(target.read_text()) == [1, 3, 4, 22, 25]
    models = [str(test_data / "models" / f"{name}.tflite") for name in ("person_detect", "hello_world_int8")]
    assert main([str(target), *models]) == 0
    assert "FullyConnected" in registered(target.read_text())
    assert "person_detect.tflite, hello_world_int8.tflite" in target.read_text()


def test_without_a_model_all_of_them_are_there(tmp_path: Path) -> None:
    assert main([str(tmp_path / "resolver.h")]) == 0
    assert sorted(registered((tmp_path / "resolver.h").read_text())) == sorted({*BUILTIN.values(), *CUSTOM.values()})
    assert listed((tmp_path / "resolver.h").read_text()) == sorted({*BUILTIN, CUSTOM_BUILTIN})


@pytest.mark.parametrize("model", [make_tflite(custom_operator="Unheard\x1bof"), b"no model", None])
def test_a_model_that_cannot_have_one_is_told_of_and_nothing_is_written(
    model: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if model is not None:
        (tmp_path / "m.tflite").write_bytes(model)
    assert main([str(tmp_path / "resolver.h"), str(tmp_path / "m.tflite")]) == 1
    said = capsys.readouterr().err
    assert "m.tflite" in said
    assert "\x1b" not in said
    assert not (tmp_path / "resolver.h").exists()
