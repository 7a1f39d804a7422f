from __future__ import annotations

import pytest

from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, InputSpec, ModelManifest, Parameter
from edged.core.tensor import TensorSpec
from edged.decode import registry

PICTURE = [TensorSpec("image", (1, 300, 300, 3), "uint8")]
FACE = [TensorSpec("image", (1, 128, 128, 3), "float32")]
FACE_OUTPUTS = [TensorSpec("x", (1, 896, 16), "float32"), TensorSpec("y", (1, 896, 1), "float32")]
OPERATOR = "TFLite_Detection_PostProcess"


def ssd(names: list[str], shapes: list[tuple[int, ...]] | None = None) -> list[TensorSpec]:
    shapes = shapes or [(1, 10, 4), (1, 10), (1, 10), (1,)]
    return [TensorSpec(name, shape, "float32") for name, shape in zip(names, shapes, strict=True)]


TF1 = ssd([OPERATOR, f"{OPERATOR}:1", f"{OPERATOR}:2", f"{OPERATOR}:3"])


def test_names() -> None:
    yolos = ("yolo", "yolo_dfl", "yolo_end2end", "yolox")
    ssds = ("ssd_corners", "ssd_heads", "ssd_postprocess")
    assert registry.names() == ("blazeface", "classification", "efficientdet", "nanodet", *ssds, *yolos)


def test_an_unknown_decoder_names_the_nearest() -> None:
    with pytest.raises(ModelRejected, match=r"no decoder 'ssd_postproces'.*did you mean 'ssd_postprocess'\?.*blazeface"):
        registry.build(DecoderSpec("ssd_postproces"), PICTURE, TF1)


def test_an_unknown_parameter_names_key_decoder_and_the_nearest() -> None:
    expected = r"decoder ssd_postprocess has no parameter 'score_treshold'.*did you mean 'score_threshold'\?.*output_order"
    with pytest.raises(ModelRejected, match=expected):
        registry.build(DecoderSpec("ssd_postprocess", {"score_treshold": 0.4}), PICTURE, TF1)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("score_threshold", "0.5", "type float"),
        ("score_threshold", True, "type float"),
        ("score_threshold", 1.01, "at most 1"),
        ("score_threshold", -0.1, "at least 0"),
        ("score_threshold", float("nan"), "at least 0"),
        ("output_order", 3, "type str"),
        ("output_order", (1.0, 2.0), "type str"),
    ],
)
def test_a_bad_value_is_refused(key: str, value: Parameter, words: str) -> None:
    with pytest.raises(ModelRejected, match=f"parameter {key} of decoder ssd_postprocess.*{words}"):
        registry.build(DecoderSpec("ssd_postprocess", {key: value}), PICTURE, TF1)


def test_a_parameter_that_nothing_can_stand_in_for_is_asked_for() -> None:
    with pytest.raises(ModelRejected, match=r"decoder yolo_dfl needs the parameter classes.*of type int"):
        registry.build(DecoderSpec("yolo_dfl"), PICTURE, TF1)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("activation", "softmax", "one of 'none', 'sigmoid'"),
        ("activation", 1, "one of 'none', 'sigmoid'"),
        ("classes", 0, "at least 1"),
        ("classes", 2.0, "of type int"),
        ("class_agnostic", 1, "of type bool"),
        ("sigma", 0, "above 0"),
        ("strides", 8, "a list of numbers"),
        ("strides", (), "1 numbers or more"),
        ("strides", (8.0, 0.0), "at least 1"),
    ],
)
def test_choices_lists_and_bounds_are_checked(key: str, value: Parameter, words: str) -> None:
    with pytest.raises(ModelRejected, match=f"parameter {key} of decoder yolo_dfl.*has to be {words}"):
        registry.build(DecoderSpec("yolo_dfl", {"classes": 2, key: value}), PICTURE, TF1)


def test_proposals_that_names_support_need_no_parameter() -> None:
    proposal = registry.propose(PICTURE, TF1, {OPERATOR, "CONV_2D"})
    assert (proposal.name, proposal.parameters) == ("ssd_postprocess", {})
    assert "names" in proposal.why


@pytest.mark.parametrize(
    ("shapes", "order"),
    [
        ([(1, 25, 4), (1, 25), (1, 25), (1,)], "boxes,classes,scores,count"),
        ([(1, 25), (1, 25, 4), (1,), (1, 25)], "scores,boxes,count,classes"),
    ],
)
def test_proposals_by_shape_state_their_order_and_their_doubt(shapes: list[tuple[int, ...]], order: str) -> None:
    outputs = ssd([f"StatefulPartitionedCall:{k}" for k in (31, 32, 33, 34)], shapes)
    proposal = registry.propose(PICTURE, outputs, {OPERATOR})
    assert (proposal.name, proposal.parameters) == ("ssd_postprocess", {"output_order": order})
    assert "check it on a picture" in proposal.why
    registry.build(DecoderSpec("ssd_postprocess", proposal.parameters), PICTURE, outputs)


def test_blazeface_is_proposed_by_shape() -> None:
    assert registry.propose(FACE, FACE_OUTPUTS, {"CONV_2D"}).name == "blazeface"


def picture(height: int, width: int) -> list[TensorSpec]:
    return [TensorSpec("image", (1, height, width, 3), "float32")]


GRIDS = ((1, 80, 80), (1, 40, 40), (1, 20, 20))
PYRAMID = ((1, 40, 40), (1, 20, 20), (1, 10, 10), (1, 5, 5), (1, 3, 3))
V5 = {"classes": 80, "layout": "rows", "objectness": True, "coordinates": "normalised"}
V8 = {"classes": 80, "layout": "columns", "objectness": False, "coordinates": "normalised"}


@pytest.mark.parametrize(
    ("inputs", "shapes", "name", "parameters"),
    [
        (picture(640, 640), [(1, 25200, 85)], "yolo", V5),
        (picture(320, 192), [(1, 3780, 6)], "yolo", {**V5, "classes": 1}),
        (picture(640, 640), [(1, 84, 8400)], "yolo", V8),
        (picture(1280, 1280), [(1, 5, 34000)], "yolo", {**V8, "classes": 1}),
        (picture(640, 640), [(1, 8400, 84)], "yolo", {**V8, "layout": "rows"}),
        (picture(640, 640), [(1, 300, 6)], "yolo_end2end", {"classes": 80, "coordinates": "normalised"}),
        (picture(640, 640), [(*grid, 144) for grid in GRIDS], "yolo_dfl", {"classes": 80}),
        (picture(640, 640), [(*grid, n) for grid in GRIDS for n in (64, 2)], "yolo_dfl", {"classes": 2}),
        (picture(416, 416), [(1, 3549, 85)], "yolox", {"classes": 80}),
        (picture(640, 640), [(*grid, 85) for grid in GRIDS[::-1]], "yolox", {"classes": 80}),
        (picture(416, 416), [(1, 3598, 112)], "nanodet", {"classes": 80}),
        (picture(320, 320), [(1, 2125, 33)], "nanodet", {"classes": 1}),
        (picture(320, 320), [(1, 19206, 90), (1, 19206, 4)], "efficientdet", {"classes": 90, "anchor_scale": 3.0}),
        (picture(320, 320), [(*g, n) for n in (36, 9) for g in PYRAMID], "efficientdet", {"classes": 1, "anchor_scale": 3.0}),
    ],
)
def test_published_models_are_proposed_with_their_doubts_and_can_be_built(
    inputs: list[TensorSpec], shapes: list[tuple[int, ...]], name: str, parameters: dict[str, Parameter]
) -> None:
    outputs = [TensorSpec(f"out{n}", shape, "float32") for n, shape in enumerate(shapes)]
    proposal = registry.propose(inputs, outputs, {"CONV_2D"})
    assert (proposal.name, proposal.parameters) == (name, parameters)
    assert "picture" in proposal.why
    registry.build(DecoderSpec(name, proposal.parameters), inputs, outputs)


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 8401, 85)],
        [(1, 8400, 4)],
        [(*GRIDS[0], 144), (*GRIDS[1], 144)],
        [(*GRIDS[0], 144), (*GRIDS[1], 144), (*GRIDS[2], 140)],
        [(*grid, 64) for grid in GRIDS],
        [(*grid, 64) for grid in GRIDS for _ in range(2)],
        [(1, 2000, 6)],
        [(1, 4, 8500)],
        [()],
        [(1, 76725, 4), (1, 76724, 90)],
    ],
)
def test_what_only_resembles_them_is_not_proposed(shapes: list[tuple[int, ...]]) -> None:
    outputs = [TensorSpec(f"out{n}", shape, "float32") for n, shape in enumerate(shapes)]
    assert registry.propose(picture(640, 640), outputs, ()).name is None


@pytest.mark.parametrize("outputs", [FACE_OUTPUTS, [TensorSpec("p", (1, 7, 7, 30), "uint8")], []])
def test_nothing_is_proposed_for_what_nobody_knows(outputs: list[TensorSpec]) -> None:
    proposal = registry.propose(PICTURE, outputs, {"CONV_2D"})
    assert proposal.name is None
    assert "no decoder" in proposal.why


def test_the_operator_with_strange_outputs_is_not_proposed() -> None:
    assert registry.propose(PICTURE, TF1[:2], {OPERATOR}).name is None


SIDE = 128
CELLS = [SIDE // stride for stride in (8, 16, 32)]
ROWS = sum(side**2 for side in CELLS)
CLASSES: dict[str, tuple[dict[str, Parameter], list[tuple[int, ...]], int]] = {
    "blazeface": ({}, [(1, 896, 16), (1, 896, 1)], 1),
    "classification": ({}, [(1, 1001)], 1001),
    "classification, labels without the background": ({"label_offset": -1, "background": True}, [(1, 1001)], 1000),
    "ssd_corners": ({"output_order": "scores,offsets,anchors"}, [(1, 9, 91), (1, 9, 4), (1, 9, 4)], 91),
    "ssd_heads": ({"output_order": "boxes,scores,anchors"}, [(1, 9, 4), (1, 9, 91), (1, 9, 4)], 91),
    "ssd_heads, labels without the background": (
        {"output_order": "boxes,scores,anchors", "label_offset": -1},
        [(1, 9, 4), (1, 9, 91), (1, 9, 4)],
        90,
    ),
    "efficientdet": ({"classes": 90, "anchor_scale": 3.0, "strides": (32,)}, [(1, 144, 4), (1, 144, 90)], 90),
    "nanodet": ({"classes": 80, "strides": (32,)}, [(1, 16, 112)], 80),
    "yolo": ({"classes": 80, "layout": "rows", "objectness": True, "coordinates": "pixels"}, [(1, 25, 85)], 80),
    "yolo_dfl": ({"classes": 80}, [(1, side, side, 144) for side in CELLS], 80),
    "yolo_end2end": ({"classes": 80, "coordinates": "pixels"}, [(1, 25, 6)], 80),
    "yolox": ({"classes": 80}, [(1, ROWS, 85)], 80),
}


def labelled(decoder: DecoderSpec, labels: int) -> ModelManifest:
    names = tuple(f"class {n}" for n in range(labels))
    return ModelManifest("gate", "1", "", {}, {}, InputSpec(), decoder, names)


def test_every_decoder_is_among_them() -> None:
    assert {case.partition(",")[0] for case in CLASSES} == set(registry.names()) - {"ssd_postprocess"}


@pytest.mark.parametrize("case", CLASSES)
def test_labels_are_as_many_as_classes_or_none(case: str) -> None:
    parameters, shapes, classes = CLASSES[case]
    decoder = DecoderSpec(case.partition(",")[0], parameters)
    inputs = [TensorSpec("image", (1, SIDE, SIDE, 3), "float32")]
    outputs = [TensorSpec(str(n), shape, "float32") for n, shape in enumerate(shapes)]
    for fitting in (0, classes):
        registry.build_labelled(labelled(decoder, fitting), inputs, outputs)
    for wrong in {classes - 1, classes + 1} - {0}:
        with pytest.raises(ModelRejected, match=rf"^model gate has {wrong:,} labels for {classes:,} classes") as caught:
            registry.build_labelled(labelled(decoder, wrong), inputs, outputs)
        assert ("label_offset" in caught.value.hint) == ("label_offset" in _parameters(decoder.name))


def _parameters(decoder: str) -> str:
    """The names of a decoder's parameters, as its refusal of any other lists them."""
    with pytest.raises(ModelRejected) as caught:
        registry.build(DecoderSpec(decoder, {"no such thing": 1}), [], [])
    return caught.value.hint


def test_of_an_operator_that_does_not_tell_its_classes_any_labels_are_taken() -> None:
    for labels in (0, 3, 90):
        registry.build_labelled(labelled(DecoderSpec("ssd_postprocess"), labels), PICTURE, TF1)
