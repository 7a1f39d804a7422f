"""Loops of a model: how the manifest's states meet the model's tensors."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.core.errors import ModelRejected
from edged.core.model import StateSpec
from edged.core.tensor import TensorSpec
from edged.infer.bundle import load_bundle
from edged.infer.manifest import format_manifest, parse_manifest
from edged.infer.state import Recurrence
from edged.testing.tflite import make_tflite

PICTURE = TensorSpec("picture", (1, 8, 8, 3), "uint8", 1.0, 0)
BEFORE = TensorSpec("before", (1, 4), "int8", 0.5, 10)
AFTER = TensorSpec("after", (1, 4), "int8", 0.5, 10)
SCORES = TensorSpec("scores", (1, 2), "float32")


def recurrence(*states: StateSpec, inputs: object = (BEFORE, PICTURE), outputs: object = (SCORES, AFTER)) -> Recurrence:
    return Recurrence(states, inputs, outputs, "model x")  # type: ignore[arg-type]


@pytest.mark.parametrize(("source", "target"), [("before", "after"), (0, 1), ("before", 1)])
def test_states_are_found_by_name_or_position(source: str | int, target: str | int) -> None:
    found = recurrence(StateSpec(source, target))
    assert (found.picture, found.results) == (1, (0,))
    assert [(loop.input, loop.output) for loop in found.loops] == [(0, 1)]


def test_a_quantised_state_begins_with_the_number_that_stands_for_its_first_value() -> None:
    (value,) = recurrence(StateSpec(0, 1, -1.5)).begin().values
    assert (value.dtype.name, value.tolist()) == ("int8", [[7, 7, 7, 7]])
    assert recurrence(StateSpec(0, 1)).begin().values[0].tolist() == [[10, 10, 10, 10]]


def test_each_camera_begins_with_values_of_its_own() -> None:
    found = recurrence(StateSpec(0, 1))
    assert found.begin().values[0] is not found.begin().values[0]


def test_most_models_have_none() -> None:
    found = recurrence(inputs=[PICTURE])
    assert (found.picture, found.results, found.begin().values) == (0, (0, 1), [])


@pytest.mark.parametrize(
    ("states", "outputs", "says"),
    [
        ([], (SCORES, AFTER), "2 inputs for one picture.*declared in the manifest"),
        (
            [StateSpec("befor", "after")],
            (SCORES, AFTER),
            r"names the input 'befor', which is not there.*0 \(before\), 1 \(picture\)",
        ),
        ([StateSpec(0, 2)], (SCORES, AFTER), "names the output 2, which is not there"),
        ([StateSpec(0, -1)], (SCORES, AFTER), "names the output -1"),
        ([StateSpec(0, "after")], (AFTER, AFTER), "'after', which several have"),
        ([StateSpec(0, 0)], (SCORES, AFTER), "cannot come back as input.*one shape and one type"),
        ([StateSpec(0, 1), StateSpec(0, 1)], (SCORES, AFTER), "the same input"),
        ([StateSpec(0, 0), StateSpec(1, 1)], (AFTER, PICTURE), "0 inputs for one picture: none is left"),
        ([StateSpec(0, 0)], (AFTER,), "none is left to decode"),
        ([StateSpec(0, 1)], (SCORES, TensorSpec("after", (1, 4), "int8", 0.25, 10)), "quantisation differs"),
        ([StateSpec(0, 1)], (SCORES, TensorSpec("after", (1, 4), "int8", 0.5, 9)), "quantisation differs"),
        ([StateSpec(0, 1, 1e6)], (SCORES, AFTER), "cannot begin with"),
    ],
)
def test_what_cannot_come_back_is_refused(states: list[StateSpec], outputs: tuple[TensorSpec, ...], says: str) -> None:
    with pytest.raises(ModelRejected, match=says) as caught:
        recurrence(*states, outputs=outputs)
    assert "model x" in caught.value.message


MANIFEST = 'name = "x"\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "classification"\n'
STATE = '[[state]]\ninput = "before"\noutput = 1\n'


def test_the_manifest_declares_states(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(make_tflite())
    (tmp_path / "model.toml").write_text(MANIFEST + STATE + STATE.replace("before", "other") + "initial = -1\n")
    manifest = load_bundle(tmp_path).manifest
    assert manifest.states == (StateSpec("before", 1), StateSpec("other", 1, -1.0))
    assert parse_manifest(format_manifest(manifest).encode(), "x") == (manifest, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STATE + "inital = 1\n", r"unknown key state\.inital.*state\.initial"),
        (STATE + "initial = nan\n", "finite number"),
        ('[[state]]\ninput = "before"\n', "output"),
        ("[state]\ninput = 0\noutput = 0\n", "state"),
        (STATE * 65, "state"),
    ],
)
def test_a_state_that_makes_no_sense_is_rejected(text: str, says: str) -> None:
    with pytest.raises(ModelRejected, match=says):
        parse_manifest((MANIFEST + text).encode(), "x")
