"""Every detector that speaks at each anchor, against a loop over the anchors that is written from the papers, and against noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edged.core.detections import Detections
from edged.core.model import DecoderSpec, Parameter
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry

HEIGHT, WIDTH = 48, 64
INPUT = [TensorSpec("image", (1, HEIGHT, WIDTH, 3), "float32")]
CLASSES = 3
ALL = {"iou_threshold": 1.0, "max_detections": 1000}  # nothing is suppressed: that is tested where it is done

Row = list[float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Case:
    """``box(row, anchor)`` and ``score(row)`` read the ``width`` numbers of an anchor as the papers do."""

    decoder: str
    parameters: dict[str, Parameter]
    anchors: list[tuple[float, ...]]
    width: int
    box: Callable[[Row, tuple[float, ...]], Box]
    score: Callable[[Row], tuple[float, int]]
    scale: float = 1.0  # how far the numbers of a box reach
    columns: bool = False
    quantised: tuple[str, float, int] = field(default=("int8", 1 / 120, 0))


def cells(strides: tuple[int, ...]) -> list[tuple[float, ...]]:
    return [(x, y, s) for s in strides for y in range(-(-HEIGHT // s)) for x in range(-(-WIDTH // s))]


def around(cx: float, cy: float, w: float, h: float) -> Box:
    return (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)


def normalised(x0: float, y0: float, x1: float, y1: float) -> Box:
    return (x0 / WIDTH, y0 / HEIGHT, x1 / WIDTH, y1 / HEIGHT)


def top(scores: Row) -> tuple[float, int]:
    best = max(scores)
    return best, scores.index(best)


def sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value))


def mean(logits: Row) -> float:
    weights = [exp(value) for value in logits]
    return sum(n * weight for n, weight in enumerate(weights)) / sum(weights)


def sides(row: Row, at: tuple[float, ...], offset: float, bins: int) -> Box:
    x, y, s = at
    left, above, right, below = (mean(row[n * bins : (n + 1) * bins]) * s for n in range(4))
    cx, cy = (x + offset) * s, (y + offset) * s
    return normalised(cx - left, cy - above, cx + right, cy + below)


def yolox_box(row: Row, at: tuple[float, ...]) -> Box:
    x, y, s = at
    return normalised(*around((x + row[0]) * s, (y + row[1]) * s, exp(row[2]) * s, exp(row[3]) * s))


def effdet_anchors() -> list[tuple[float, ...]]:
    anchors = []
    for s in (8, 16, 32, 64, 128):
        rows, columns = -(-HEIGHT // s), -(-WIDTH // s)
        step_y, step_x = HEIGHT / rows, WIDTH / columns
        for y in range(rows):
            for x in range(columns):
                for octave in range(3):
                    for ratio in (1.0, 2.0, 0.5):
                        w = 4 * step_x * 2 ** (octave / 3) * ratio**0.5
                        h = 4 * step_y * 2 ** (octave / 3) / ratio**0.5
                        anchors.append(((x + 0.5) * step_x, (y + 0.5) * step_y, w, h))
    return anchors


def effdet_box(row: Row, at: tuple[float, ...]) -> Box:
    cx, cy, w, h = at
    ty, tx, th, tw = row[:4]
    return normalised(*around(tx * w + cx, ty * h + cy, exp(tw) * w, exp(th) * h))


YOLO = {"classes": CLASSES, "coordinates": "normalised"}
THREE, FOUR = cells((8, 16, 32)), cells((8, 16, 32, 64))
CASES = {
    "v5": Case(
        "yolo", {**YOLO, "layout": "rows", "objectness": True}, THREE * 3, 8,
        lambda row, _: around(*row[:4]), lambda row: (row[4] * max(row[5:]), top(row[5:])[1]),
    ),
    "v8": Case(
        "yolo", {**YOLO, "layout": "columns", "objectness": False}, THREE, 7,
        lambda row, _: around(*row[:4]), lambda row: top(row[4:]), columns=True,
    ),
    "v8 pixels, logits": Case(
        "yolo",
        {**YOLO, "layout": "columns", "objectness": False, "coordinates": "pixels", "boxes": "xyxy", "activation": "sigmoid"},
        THREE, 7,
        lambda row, _: normalised(*row[:4]), lambda row: (sigmoid(max(row[4:])), top(row[4:])[1]),
        scale=60, columns=True, quantised=("uint8", 0.5, 20),
    ),
    "dfl": Case(
        "yolo_dfl", {"classes": CLASSES}, THREE, 64 + CLASSES,
        lambda row, at: sides(row, at, 0.5, 16), lambda row: (sigmoid(max(row[64:])), top(row[64:])[1]),
        scale=5, quantised=("int8", 0.05, -3),
    ),
    "nanodet": Case(
        "nanodet", {"classes": CLASSES}, FOUR, 32 + CLASSES,
        lambda row, at: sides(row[CLASSES:], at, 0.0, 8), lambda row: top(row[:CLASSES]),
    ),
    "yolox": Case(
        "yolox", {"classes": CLASSES}, THREE, 8,
        yolox_box, lambda row: (row[4] * max(row[5:]), top(row[5:])[1]), quantised=("int16", 1 / 30000, 0),
    ),
    "efficientdet": Case(
        "efficientdet", {"classes": CLASSES, "anchor_scale": 4.0}, effdet_anchors(), 4 + CLASSES,
        effdet_box, lambda row: (sigmoid(max(row[4:])), top(row[4:])[1]), quantised=("int8", 0.02, 10),
    ),
}  # fmt: skip


def stored(values: np.ndarray, quantised: tuple[str, float, int] | None) -> RawOutput:
    """``values`` as an output of their shape, in float32 or in a quantised format."""
    if quantised is None:
        return RawOutput(TensorSpec("out", values.shape, "float32"), values.astype(np.float32))
    dtype, scale, zero_point = quantised
    limits = np.iinfo(dtype)
    whole = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(dtype)
    return RawOutput(TensorSpec("out", values.shape, dtype, scale, zero_point), whole)


def outputs_of(case: Case, numbers: np.ndarray, quantised: tuple[str, float, int] | None) -> list[RawOutput]:
    if case.decoder == "efficientdet":
        return [stored(numbers[None, :, 4:], quantised), stored(numbers[None, :, :4], quantised)]
    return [stored(numbers.T[None] if case.columns else numbers[None], quantised)]


def table_of(case: Case, outputs: list[RawOutput]) -> list[Row]:
    """The numbers of each anchor as the network meant them, boxes before classes for EfficientDet."""
    real = [output.real()[0].astype(np.float64) for output in outputs]
    joined = np.concatenate(real[::-1], axis=1)
    return (joined.T if case.columns else joined).tolist()


def decode(case: Case, outputs: list[RawOutput], **more: Parameter) -> Detections:
    spec = DecoderSpec(case.decoder, {**case.parameters, **more})
    return registry.build(spec, INPUT, [output.spec for output in outputs])(outputs)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), quantised=st.booleans(), threshold=st.floats(0.3, 0.95))
def test_dense_decoders_do_what_a_loop_over_the_anchors_does(name: str, seed: int, quantised: bool, threshold: float) -> None:
    case, rng = CASES[name], np.random.default_rng(seed)
    numbers = rng.uniform(0, 1, (len(case.anchors), case.width)) * case.scale
    outputs = outputs_of(case, numbers, case.quantised if quantised else None)
    rows = table_of(case, outputs)
    scores = [case.score(row) for row in rows]
    assume(all(abs(score - threshold) > 1e-5 for score, _ in scores))  # what rounding decides is not asked
    expected = []
    for row, anchor, (score, class_id) in zip(rows, case.anchors, scores, strict=True):
        box = [min(max(value, -1), 2) for value in case.box(row, anchor)]
        if score >= threshold and box[0] < box[2] and box[1] < box[3]:
            expected.append((min(float(np.float32(score)), 1.0), class_id, box))
    expected.sort(key=lambda item: -item[0])
    found = decode(case, outputs, score_threshold=threshold, **ALL)
    assert found.score.tolist() == pytest.approx([score for score, _, _ in expected], abs=1e-6)
    assert found.class_id.tolist() == [class_id for _, class_id, _ in expected]
    np.testing.assert_allclose(found.xyxy, np.array([box for _, _, box in expected]).reshape(-1, 4), atol=2e-4)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, -1.0, 1e3, 3e38, -3e38, np.inf, -np.inf, np.nan]))
def test_any_numbers_decode_to_sane_detections(name: str, seed: int, extreme: float) -> None:
    case, rng = CASES[name], np.random.default_rng(seed)
    numbers = rng.normal(0.5, 0.5, (len(case.anchors), case.width))
    numbers[rng.random(numbers.shape) < 0.1] = extreme
    found = decode(case, outputs_of(case, numbers, None), score_threshold=0.2, max_detections=50)
    assert len(found) <= 50
    assert (found.xyxy.dtype, found.score.dtype, found.class_id.dtype) == (np.float32, np.float32, np.int32)
    assert np.isfinite(found.xyxy).all()
    assert (np.abs(found.xyxy) <= 2).all()
    assert (found.xyxy[:, :2] < found.xyxy[:, 2:]).all()
    assert ((found.score >= 0.2) & (found.score <= 1)).all()
    assert (np.diff(found.score) <= 0).all()
    assert np.isin(found.class_id, range(CLASSES)).all()


def seen(*anchors: int, score: float = 0.9) -> np.ndarray:
    """Numbers of the YOLOv8 case in which these anchors see class 1 at one place, each weaker than the one before."""
    numbers = np.zeros((len(THREE), 7))
    numbers[:, :4] = (0.5, 0.5, 0.2, 0.2)
    for order, anchor in enumerate(anchors):
        numbers[anchor, 5] = score - 0.1 * order
    return numbers


@pytest.mark.parametrize(
    ("parameters", "scores"),
    [
        ({}, [0.9]),
        ({"iou_threshold": 1.0}, [0.9, 0.8, 0.7]),
        ({"iou_threshold": 1.0, "max_detections": 2}, [0.9, 0.8]),
        ({"suppression": "gaussian", "score_threshold": 0.1}, [0.9, 0.8 * exp(-2)]),
        ({"suppression": "gaussian", "score_threshold": 0.1, "sigma": 10.0}, [0.9, 0.8 * exp(-0.1), 0.7 * exp(-0.2)]),
        ({"suppression": "linear", "score_threshold": 0.1}, [0.9]),
    ],
)
def test_boxes_of_one_object_are_treated_as_the_manifest_says(parameters: dict[str, Parameter], scores: list[float]) -> None:
    case = CASES["v8"]
    found = decode(case, outputs_of(case, seen(3, 40, 60), None), **parameters)
    assert found.score.tolist() == pytest.approx(scores, abs=1e-5)
    assert set(found.class_id.tolist()) == {1}


@pytest.mark.parametrize(("agnostic", "classes"), [(False, [1, 2]), (True, [1])])
def test_classes_suppress_each_other_only_if_asked(agnostic: bool, classes: list[int]) -> None:
    case, numbers = CASES["v8"], seen(3)
    numbers[40, 6] = 0.7
    found = decode(case, outputs_of(case, numbers, None), class_agnostic=agnostic)
    assert found.class_id.tolist() == classes


def test_a_flood_of_candidates_keeps_the_best() -> None:
    big = [TensorSpec("image", (1, 320, 320, 3), "float32")]
    rng = np.random.default_rng(0)
    numbers = np.concatenate([np.full((2100, 4), 0.5), rng.uniform(0.5, 0.9, (2100, 1))], axis=1)
    numbers[:, :2] = rng.uniform(0, 1, (2100, 2))
    numbers[:, 2:4] = 0.001
    numbers[1234, 4] = 1.0
    spec = DecoderSpec("yolo", {"classes": 1, "layout": "rows", "objectness": False, "coordinates": "normalised"})
    output = stored(numbers[None], None)
    found = registry.build(spec, big, [output.spec])([output])
    assert len(found) == 100
    assert found.score[0] == 1.0
    assert found.score.tolist() == pytest.approx(sorted(numbers[:, 4], reverse=True)[:100])
    assert found.xyxy[0, :2] == pytest.approx(numbers[1234, :2] - 0.0005, abs=1e-6)
