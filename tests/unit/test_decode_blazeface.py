from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry
from edged.decode.anchors import anchor_centres

INPUT = [TensorSpec("input", (1, 128, 128, 3), "float32")]
CENTRES = anchor_centres(128, (8, 16, 16, 16), 2)


class Model:
    """Outputs of a model that sees the faces it is told, whole or cut at ``split``."""

    def __init__(self) -> None:
        self.regressors = np.zeros((896, 16), np.float32)
        self.logits = np.full(896, -20, np.float32)

    def see(self, anchor: int, centre_px: tuple[float, float], size_px: tuple[float, float], score: float) -> None:
        self.regressors[anchor, :2] = np.array(centre_px) - CENTRES[anchor] * 128
        self.regressors[anchor, 2:4] = size_px
        self.logits[anchor] = np.log(score / (1 - score))

    def outputs(self, split: bool = False) -> list[RawOutput]:
        parts = [slice(0, 512), slice(512, 896)] if split else [slice(0, 896)]
        arrays = [array for part in parts for array in (self.regressors[None, part], self.logits[None, part, None])]
        return [RawOutput(TensorSpec(f"Identity_{k}", array.shape, "float32"), array) for k, array in enumerate(arrays)]


def decode(outputs: list[RawOutput], **parameters: Parameter) -> Detections:
    return registry.build(DecoderSpec("blazeface", parameters), INPUT, [o.spec for o in outputs])(outputs)


def test_anchors_follow_the_published_scheme() -> None:
    assert CENTRES.shape == (896, 2)
    assert CENTRES[:3].tolist() == [[1 / 32, 1 / 32], [1 / 32, 1 / 32], [3 / 32, 1 / 32]]
    assert CENTRES[511].tolist() == [31 / 32, 31 / 32]
    assert CENTRES[512:518].tolist() == [[1 / 16, 1 / 16]] * 6
    assert CENTRES[518].tolist() == [3 / 16, 1 / 16]
    assert CENTRES[512 + 6 * 8].tolist() == [1 / 16, 3 / 16]


def test_a_face_is_read_from_its_anchor() -> None:
    model = Model()
    model.see(700, (64, 32), (32, 16), 0.9)
    found = decode(model.outputs())
    assert found.xyxy.tolist() == [pytest.approx([48 / 128, 24 / 128, 80 / 128, 40 / 128])]
    assert found.score.tolist() == pytest.approx([0.9])
    assert found.class_id.tolist() == [0]


@pytest.mark.parametrize("split", [False, True], ids=["joined", "split"])
def test_outputs_may_come_in_any_order(split: bool) -> None:
    model = Model()
    model.see(3, (10, 10), (8, 8), 0.8)
    model.see(600, (90, 90), (20, 20), 0.9)
    orders = list(itertools.permutations(model.outputs(split)))
    results = [decode(list(order)) for order in orders]
    assert len(orders) == (24 if split else 2)
    for result in results:
        assert result.score.tolist() == pytest.approx([0.9, 0.8])
        np.testing.assert_array_equal(result.xyxy, results[0].xyxy)
    assert results[0].xyxy[1].tolist() == pytest.approx([6 / 128, 6 / 128, 14 / 128, 14 / 128])


def test_anchors_on_one_face_are_blended() -> None:
    model = Model()
    model.see(700, (64, 64), (32, 32), 0.9)
    model.see(701, (66, 64), (32, 32), 0.6)
    model.see(10, (20, 20), (10, 10), 0.7)
    found = decode(model.outputs())
    assert found.score.tolist() == pytest.approx([0.9, 0.7])
    assert found.xyxy[0, 0] * 128 == pytest.approx(48 + 2 * 0.6 / 1.5, abs=1e-3)
    assert len(decode(model.outputs(), iou_threshold=1.0)) == 3


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, 896), (0.59, 2), (0.61, 1), (1.0, 0)])
def test_threshold(threshold: float, kept: int) -> None:
    model = Model()
    model.regressors[:, 2:4] = 4
    model.see(0, (20, 20), (10, 10), 0.6)
    model.see(700, (64, 64), (32, 32), 0.9)
    assert len(decode(model.outputs(), score_threshold=threshold, iou_threshold=1.0)) == kept


def test_extreme_logits_do_not_overflow() -> None:
    model = Model()
    model.see(700, (64, 64), (32, 32), 0.9)
    model.see(10, (20, 20), (10, 10), 0.9)
    model.logits[700], model.logits[10] = 3e38, -3e38
    assert decode(model.outputs()).score.tolist() == [1.0]
    assert decode(model.outputs(), score_threshold=0).score.tolist() == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("shapes", [[(1, 896, 16)], [(1, 896, 16), (1, 512, 1)], [(1, 2304, 16), (1, 2304, 1)], []])
def test_other_outputs_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelRejected, match=r"\[1x128x128x3\] with 896 or 512 \+ 384"):
        registry.build(DecoderSpec("blazeface"), INPUT, [TensorSpec("x", shape, "float32") for shape in shapes])


def test_another_input_is_refused() -> None:
    outputs = [o.spec for o in Model().outputs()]
    with pytest.raises(ModelRejected, match="1x160x160x3"):
        registry.build(DecoderSpec("blazeface"), [TensorSpec("input", (1, 160, 160, 3), "float32")], outputs)


@pytest.mark.parametrize(
    ("side", "layouts", "anchor", "centre"),
    [
        (192, [(2304,)], 48 * 5 + 7, (7.5 / 48, 5.5 / 48)),
        (256, [(896,), (512, 384)], 512 + 6 * 9, (1.5 / 8, 1.5 / 8)),
    ],
    ids=["full range", "back camera"],
)
def test_other_face_detectors_are_told_by_their_input(
    side: int, layouts: list[tuple[int, ...]], anchor: int, centre: tuple[float, float]
) -> None:
    inputs = [TensorSpec("input", (1, side, side, 3), "float32")]
    count = sum(layouts[0])
    regressors, logits = np.zeros((count, 16), np.float32), np.full(count, -20, np.float32)
    regressors[anchor, :4] = (0.1 * side, 0, 0.2 * side, 0.3 * side)
    logits[anchor] = 4
    for layout in layouts:
        edges = np.cumsum((0, *layout))
        arrays = [array for a, b in itertools.pairwise(edges) for array in (regressors[None, a:b], logits[None, a:b, None])]
        outputs = [RawOutput(TensorSpec(str(n), array.shape, "float32"), array) for n, array in enumerate(arrays)]
        found = registry.build(DecoderSpec("blazeface"), inputs, [o.spec for o in outputs])(outputs)
        x, y = centre[0] + 0.1, centre[1]
        assert found.xyxy.tolist() == [pytest.approx([x - 0.1, y - 0.15, x + 0.1, y + 0.15], abs=1e-6)]
        assert registry.propose(inputs, [o.spec for o in outputs], ()).name == "blazeface"


def test_quantised_parts_are_read_by_their_own_parameters() -> None:
    model = Model()
    model.see(3, (10, 10), (8, 8), 0.9)
    model.see(600, (90, 90), (20, 20), 0.9)
    plain, stored = model.outputs(split=True), []
    for output, scale in zip(plain, (0.5, 0.1, 1.0, 0.2), strict=True):
        spec = TensorSpec(output.spec.name, output.spec.shape, "int16", scale, 5)
        stored.append(RawOutput(spec, (np.round(output.data / scale) + 5).astype(np.int16)))
    np.testing.assert_allclose(decode(stored).xyxy, decode(plain).xyxy, atol=1 / 128)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 1e3, 3e38, np.inf, np.nan]))
def test_any_numbers_decode_to_sane_detections(seed: int, extreme: float) -> None:
    rng, model = np.random.default_rng(seed), Model()
    model.regressors[:] = rng.normal(0, 30, (896, 16))
    model.logits[:] = rng.normal(-6, 4, 896)
    model.regressors[rng.integers(0, 896, 40), rng.integers(0, 4, 40)] = extreme * rng.choice([-1, 1], 40)
    model.logits[rng.integers(0, 896, 5)] = extreme
    found = decode(model.outputs())
    assert np.isfinite(found.xyxy).all()
    assert (np.abs(found.xyxy) <= 2).all()
    assert (found.xyxy[:, :2] < found.xyxy[:, 2:]).all()
    assert ((found.score >= 0.5) & (found.score <= 1)).all()
    assert (np.diff(found.score) <= 0).all()
