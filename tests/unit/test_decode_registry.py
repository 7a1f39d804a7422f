from __future__ import annotations

import pytest

from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, Parameter
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
    assert registry.names() == ("blazeface", "efficientdet", "nanodet", "ssd_corners", "ssd_postprocess", *yolos)


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


@pytest.mark.parametrize("outputs", [FACE_OUTPUTS, [TensorSpec("p", (1, 1001), "uint8")], []])
def test_nothing_is_proposed_for_what_nobody_knows(outputs: list[TensorSpec]) -> None:
    proposal = registry.propose(PICTURE, outputs, {"CONV_2D"})
    assert proposal.name is None
    assert "no decoder" in proposal.why


def test_the_operator_with_strange_outputs_is_not_proposed() -> None:
    assert registry.propose(PICTURE, TF1[:2], {OPERATOR}).name is None
