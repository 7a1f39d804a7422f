"""How exporters spread the numbers of anchors over outputs, and what is said about those that fit no way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry

INPUT = [TensorSpec("image", (1, 32, 64, 3), "float32")]
LEVELS = ((4, 8), (2, 4), (1, 2))
YOLO: dict[str, Parameter] = {"classes": 2, "layout": "rows", "objectness": False, "coordinates": "normalised"}


def specs(*shapes: tuple[int, ...]) -> list[TensorSpec]:
    return [TensorSpec(f"out{n}", shape, "float32") for n, shape in enumerate(shapes)]


def dfl_levels() -> list[tuple[np.ndarray, np.ndarray]]:
    """Box logits and class logits of three levels; one cell of each sees class 1, with a box of 2 x 2 strides."""
    levels = []
    for rows, columns in LEVELS:
        boxes = np.full((1, rows, columns, 4, 16), -20, np.float32)
        boxes[..., 1] = 20
        classes = np.full((1, rows, columns, 2), -9, np.float32)
        classes[0, rows - 1, columns - 1, 1] = 2 + rows
        levels.append((boxes.reshape(1, rows, columns, 64), classes))
    return levels


def forms() -> dict[str, list[np.ndarray]]:
    levels = dfl_levels()
    flat = [(boxes.reshape(1, -1, 64), classes.reshape(1, -1, 2)) for boxes, classes in levels]
    return {
        "a grid for each level": [np.concatenate(level, axis=3) for level in levels],
        "grids of boxes and grids of classes": [part for level in levels for part in level],
        "rows for each level": [np.concatenate(level, axis=2) for level in flat],
        "all joined": [np.concatenate([np.concatenate(level, axis=2) for level in flat], axis=1)],
        "boxes joined and classes joined": [np.concatenate([level[k] for level in flat], axis=1) for k in (0, 1)],
    }


def decode(arrays: list[np.ndarray], name: str = "yolo_dfl", **parameters: Parameter) -> Detections:
    outputs = [RawOutput(spec, array) for spec, array in zip(specs(*(array.shape for array in arrays)), arrays, strict=True)]
    return registry.build(DecoderSpec(name, {"classes": 2, **parameters}), INPUT, [o.spec for o in outputs])(outputs)


@pytest.mark.parametrize("form", forms())
def test_every_form_says_the_same_in_any_order_of_the_outputs(form: str) -> None:
    arrays = forms()[form]
    for order in itertools.islice(itertools.permutations(arrays), 0, None, 37 if len(arrays) > 3 else 1):
        found = decode(list(order))
        expected = [[(x - 0.5) / 8, (y - 0.5) / 4, (x + 1.5) / 8, (y + 1.5) / 4] for x, y in [(7, 3)]]
        assert found.class_id.tolist() == [1, 1, 1]
        assert found.xyxy[0].tolist() == pytest.approx(expected[0], abs=1e-5)
        assert found.xyxy[2].tolist() == pytest.approx([0.25, -0.5, 1.25, 1.5], abs=1e-5)


def test_levels_come_in_the_order_of_the_strides() -> None:
    levels = [np.concatenate([boxes, classes], axis=3).reshape(1, -1, 66) for boxes, classes in dfl_levels()]
    backwards = decode([np.concatenate(levels[::-1], axis=1)], strides=(32, 16, 8))
    forwards = decode([np.concatenate(levels, axis=1)])
    np.testing.assert_array_equal(backwards.xyxy, forwards.xyxy)


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ([], "the model has no outputs"),
        ([(1, 42, 67)], r"expects \[1x42x66\].*out0 float32 \[1x42x67\]"),
        ([(1, 4, 8, 66), (1, 2, 4, 66)], r"\[1x4x8x66\] and \[1x2x4x66\] and \[1x1x2x66\]"),
        ([(1, 8, 4, 66), (1, 4, 2, 66), (1, 2, 1, 66)], "classes and strides"),
        ([(1, 4, 8, 66), (1, 2, 4, 66), (1, 1, 2, 66), (1, 1, 2, 66)], "expects"),
        ([(1, 42, 64), (1, 42, 3)], "expects"),
        ([(2, 42, 66)], "expects"),
    ],
)
def test_outputs_that_fit_no_form_are_refused(shapes: list[tuple[int, ...]], says: str) -> None:
    with pytest.raises(ModelRejected, match=says):
        registry.build(DecoderSpec("yolo_dfl", {"classes": 2}), INPUT, specs(*shapes))


def test_boxes_and_classes_of_one_width_cannot_be_told_apart() -> None:
    with pytest.raises(ModelRejected, match="expects"):
        registry.build(DecoderSpec("yolo_dfl", {"classes": 64}), INPUT, specs((1, 42, 64), (1, 42, 64)))


@pytest.mark.parametrize("strides", [(), (8, 8, 16), (8.5, 16), (0, 8), (4096,), (8, float("inf")), (float("nan"),)])
def test_strides_that_are_none_are_refused(strides: tuple[float, ...]) -> None:
    with pytest.raises(ModelRejected, match="strides"):
        registry.build(DecoderSpec("yolo_dfl", {"classes": 2, "strides": strides}), INPUT, specs((1, 42, 66)))


@pytest.mark.parametrize("inputs", [[], [TensorSpec("x", (1, 96), "float32")], INPUT * 2])
@pytest.mark.parametrize(
    ("name", "more"), [("yolo_dfl", {}), ("yolox", {}), ("nanodet", {}), ("efficientdet", {"anchor_scale": 3})]
)
def test_an_input_that_is_no_picture_is_refused(inputs: list[TensorSpec], name: str, more: dict[str, Parameter]) -> None:
    with pytest.raises(ModelRejected, match=f"{name} expects a picture"):
        registry.build(DecoderSpec(name, {"classes": 2, **more}), inputs, specs((1, 42, 66)))


@pytest.mark.parametrize(
    ("changes", "shape", "says"),
    [
        ({}, (1, 6, 42), r"expects one output \[1xNx6\] \(4 box numbers, 2 classes in rows\)"),
        ({"layout": "columns"}, (1, 42, 6), r"\[1x6xN\].*check layout"),
        ({"objectness": True}, (1, 42, 6), r"\[1xNx7\] \(4 box numbers, objectness and 2 classes"),
        ({"classes": 80}, (1, 42, 6), r"\[1xNx84\]"),
        ({}, (2, 42, 6), "expects one output"),
    ],
)
def test_a_yolo_that_is_not_as_stated_is_refused(changes: dict[str, Parameter], shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(ModelRejected, match=says):
        registry.build(DecoderSpec("yolo", {**YOLO, **changes}), INPUT, specs(shape))


@pytest.mark.parametrize("key", YOLO)
def test_what_no_shape_tells_has_to_be_stated(key: str) -> None:
    parameters = {name: value for name, value in YOLO.items() if name != key}
    with pytest.raises(ModelRejected, match=f"decoder yolo needs the parameter {key}"):
        registry.build(DecoderSpec("yolo", parameters), INPUT, specs((1, 42, 6)))


def test_an_output_of_another_shape_than_promised_is_an_error() -> None:
    decoder = registry.build(DecoderSpec("yolo", YOLO), INPUT, specs((1, 42, 6)))
    (spec,) = specs((1, 42, 6))
    with pytest.raises(ModelRejected, match=r"shape \(1, 41, 6\) after an inference"):
        decoder([RawOutput(spec, np.zeros((1, 41, 6), np.float32))])
