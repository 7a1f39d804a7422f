"""One small network for each form of each detector family, whose answer to a picture is known.

A network looks for squares: red ones of 8 px, green ones of 16 px and blue ones of 32 px, on the grids of these strides. Whatever
the family, a square has the box of ``SIDES``; how the numbers say so is the family's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edged.core.model import Parameter
from edged.testing.network import Network

INPUT_PX = 128
STRIDES = (8, 16, 32)
CLASSES = 3
SCORE = 0.9
SIDES = (1.0, 0.5, 2.0, 1.5)
"""How far left, top, right and bottom of a box are from the middle of the square's cell, in strides."""

LOGIT = (12.0, -6.0)
"""Weight and bias that make logits of brightnesses 0 and 1 which the sigmoid brings near 0 and 1."""

Level = tuple[np.ndarray, np.ndarray]
"""Weights (out, 3) and bias (out,) of the last convolution of a level."""


@dataclass(frozen=True)
class Family:
    """A network of a form: ``make`` ends it, ``parameters`` are what its manifest must say."""

    decoder: str
    make: Callable[[Network], Sequence[int]]
    parameters: dict[str, Parameter]
    input: tuple[str, float, int] = ("float32", 0.0, 0)
    tolerance_px: float = 0.01
    score: float = field(default=SCORE)

    def build(self) -> bytes:
        network = Network((1, INPUT_PX, INPUT_PX, 3), *self.input)
        return network.build(self.make(network))


def scores(level: int, *, weight: float = SCORE, bias: float = 0.0) -> Level:
    """Class scores that follow the brightness of this level's colour in its own class; the other classes see nothing."""
    weights = np.zeros((CLASSES, 3))
    weights[min(level, 2), min(level, 2)] = weight if level < CLASSES else 0
    return weights, np.full(CLASSES, bias)


def constant(values: Sequence[float]) -> Level:
    return np.zeros((len(values), 3)), np.array(values)


def stacked(*parts: Level) -> Level:
    return np.concatenate([weights for weights, _ in parts]), np.concatenate([bias for _, bias in parts])


def grids(network: Network, levels: Sequence[Level], strides: Sequence[int] = STRIDES) -> list[int]:
    return [
        network.convolution(network.average(network.input, stride), *level) for stride, level in zip(strides, levels, strict=True)
    ]


def rows(network: Network, tensors: Sequence[int], width: int, strides: Sequence[int] = STRIDES, per_cell: int = 1) -> int:
    """Levels joined to [1, N, width]."""
    counts = [(INPUT_PX // stride) ** 2 * per_cell for stride in strides]
    return network.concatenate([network.reshape(t, (1, n, width)) for t, n in zip(tensors, counts, strict=True)], 1)


def cell_boxes(unit: float) -> np.ndarray:
    """x, y, w, h of the box of every cell, (N, 4), in units of ``unit`` px."""
    boxes = []
    left, top, right, bottom = SIDES
    for stride in STRIDES:
        n = INPUT_PX // stride
        for y in range(n):
            for x in range(n):
                cx, cy = x + 0.5 + (right - left) / 2, y + 0.5 + (bottom - top) / 2
                boxes.append([cx * stride, cy * stride, (left + right) * stride, (top + bottom) * stride])
    return np.array(boxes) / unit


def distribution(sides: Sequence[float], bins: int) -> list[float]:
    """Logits of four distributions whose means are ``sides``, whole or half numbers."""
    logits = np.full((4, bins), -30.0)
    for side, value in enumerate(sides):
        logits[side, [int(np.floor(value)), int(np.ceil(value))]] = 30.0
    return logits.ravel().tolist()


# Boxes decoded in the graph


def decoded(network: Network, *, unit: float, objectness: bool = False, logits: bool = False, corners: bool = False) -> int:
    """[1, N, 4 + 3] with absolute boxes, or [1, N, 4 + 1 + 3]."""
    weight, bias = LOGIT if logits else (SCORE, 0.0)
    sure = [constant([20.0 if logits else 1.0])] if objectness else []
    levels = [stacked(constant([0] * 4), *sure, scores(level, weight=weight, bias=bias)) for level in range(3)]
    joined = rows(network, grids(network, levels), 7 + objectness)
    boxes = cell_boxes(unit)
    if corners:
        boxes = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    return network.add(joined, np.pad(boxes, ((0, 0), (0, 3 + objectness))))


def end2end(network: Network, *, unit: float) -> list[int]:
    """[1, N, 6]: corners, score, class."""
    levels = []
    for level in range(3):
        weights, _ = scores(level)
        levels.append(stacked(constant([0] * 4), (weights.sum(axis=0)[None], np.zeros(1)), constant([level])))
    boxes = cell_boxes(unit)
    xyxy = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    return [network.add(rows(network, grids(network, levels), 6), np.pad(xyxy, ((0, 0), (0, 2))))]


# Heads that the host decodes


def dfl(network: Network, form: str, quantised: bool = False) -> list[int]:
    sides = constant(distribution(SIDES, 16))
    classes = [scores(level, weight=LOGIT[0], bias=LOGIT[1]) for level in range(3)]
    if form == "apart":
        outputs = [*grids(network, [sides] * 3), *grids(network, classes)]
        return [outputs[n] for n in (4, 0, 2, 5, 1, 3)]  # as interpreters list them: in no order
    tensors = grids(network, [stacked(sides, part) for part in classes])
    outputs = [rows(network, tensors, 64 + CLASSES)] if form == "joined" else tensors[::-1]
    return [network.quantise(tensor, "int8", 0.25, -8) for tensor in outputs] if quantised else outputs


def nanodet(network: Network, form: str) -> list[int]:
    strides = (*STRIDES, 64)
    shift = 0.5 if form == "joined" else 0  # distances are from the corner of the cell, or from its middle
    left, top, right, bottom = SIDES
    sides = constant(distribution((left - shift, top - shift, right + shift, bottom + shift), 8))
    classes = [scores(level) for level in range(4)]
    if form == "joined":
        return [rows(network, grids(network, [stacked(part, sides) for part in classes], strides), CLASSES + 32, strides)]
    return [*grids(network, classes, strides), *grids(network, [sides] * 4, strides)]


def yolox(network: Network, form: str, order: Sequence[int] = (0, 1, 2)) -> list[int]:
    left, top, right, bottom = SIDES
    box = constant([0.5 + (right - left) / 2, 0.5 + (bottom - top) / 2, np.log(left + right), np.log(top + bottom)])
    tensors = grids(network, [stacked(box, constant([1.0]), scores(level)) for level in range(3)])
    if form == "grids":
        return tensors[::-1]
    strides = [STRIDES[place] for place in order]
    return [rows(network, [tensors[place] for place in order], 5 + CLASSES, strides)]


ANCHOR = (1, 2)
"""Which size of the octave and which aspect ratio (0.5) sees squares in the EfficientDet."""


def efficientdet(network: Network, form: str) -> list[int]:
    strides, place = (*STRIDES, 64, 128), ANCHOR[0] * 3 + ANCHOR[1]
    width, height = (3 * 2 ** (1 / 3) * factor for factor in (0.5**0.5, 2**0.5))
    left, top, right, bottom = SIDES
    offsets = [(bottom - top) / 2 / height, (right - left) / 2 / width, *np.log([(top + bottom) / height, (left + right) / width])]
    classes, boxes = [], []
    for level in range(5):
        nothing = constant([-20.0] * CLASSES)
        seen = scores(level, weight=LOGIT[0], bias=LOGIT[1])
        classes.append(stacked(*[seen if n == place else nothing for n in range(9)]))
        boxes.append(constant(offsets * 9))
    both = grids(network, classes, strides), grids(network, boxes, strides)
    if form == "grids":
        return [*both[0], *both[1]]
    return [rows(network, tensors, n, strides, 9) for tensors, n in zip(both, (CLASSES, 4), strict=True)]


YOLO = {"classes": CLASSES}
V5 = {**YOLO, "layout": "rows", "objectness": True}
V8 = {**YOLO, "layout": "columns", "objectness": False}
NORMALISED, PIXELS = {"coordinates": "normalised"}, {"coordinates": "pixels"}
SURE = float(1 / (1 + np.exp(-sum(LOGIT))))


def columns(network: Network, tensor: int) -> int:
    return network.transpose(tensor, (0, 2, 1))


FAMILIES: dict[str, Family] = {
    "YOLOv5": Family("yolo", lambda n: [decoded(n, unit=INPUT_PX, objectness=True)], {**V5, **NORMALISED}),
    "YOLOv5, pixels, logits": Family(
        "yolo", lambda n: [decoded(n, unit=1, objectness=True, logits=True)], {**V5, **PIXELS, "activation": "sigmoid"}, score=SURE
    ),
    "YOLOv5 uint8": Family(
        "yolo",
        lambda n: [n.quantise(decoded(n, unit=INPUT_PX, objectness=True), "uint8", 1 / 250, 2)],
        {**V5, **NORMALISED},
        ("uint8", 1 / 255, 0),
        0.6,
    ),
    "YOLOv8": Family("yolo", lambda n: [columns(n, decoded(n, unit=INPUT_PX))], {**V8, **NORMALISED}),
    "YOLOv8 int8": Family(
        "yolo",
        lambda n: [n.quantise(columns(n, decoded(n, unit=INPUT_PX)), "int8", 1 / 250, -125)],
        {**V8, **NORMALISED},
        ("int8", 1 / 255, -128),
        0.6,
    ),
    "YOLOv8 int16, corners in rows": Family(
        "yolo",
        lambda n: [n.quantise(decoded(n, unit=INPUT_PX, corners=True), "int16", 1 / 32000, 0)],
        {**V8, **NORMALISED, "layout": "rows", "boxes": "xyxy"},
    ),
    "YOLOv10": Family("yolo_end2end", lambda n: end2end(n, unit=1), {**YOLO, **PIXELS}),
    "YOLOv8 with NMS": Family("yolo_end2end", lambda n: end2end(n, unit=INPUT_PX), {**YOLO, **NORMALISED}),
    "YOLOv11 raw heads": Family("yolo_dfl", lambda n: dfl(n, "grids"), YOLO, score=SURE),
    "YOLOv11 raw heads, apart": Family("yolo_dfl", lambda n: dfl(n, "apart"), YOLO, score=SURE),
    "YOLOv11 raw heads, joined": Family("yolo_dfl", lambda n: dfl(n, "joined"), YOLO, score=SURE),
    "YOLOv11 raw heads int8": Family("yolo_dfl", lambda n: dfl(n, "grids", quantised=True), YOLO, score=SURE),
    "YOLOX": Family("yolox", lambda n: yolox(n, "joined"), YOLO),
    "YOLOX, coarse level first": Family("yolox", lambda n: yolox(n, "joined", (2, 1, 0)), {**YOLO, "strides": (32, 16, 8)}),
    "YOLOX grids": Family("yolox", lambda n: yolox(n, "grids"), YOLO),
    "NanoDet-Plus": Family("nanodet", lambda n: nanodet(n, "joined"), YOLO),
    "NanoDet, apart": Family("nanodet", lambda n: nanodet(n, "apart"), {**YOLO, "cell_offset": 0.5}),
    "EfficientDet grids": Family("efficientdet", lambda n: efficientdet(n, "grids"), {**YOLO, "anchor_scale": 3.0}, score=SURE),
    "EfficientDet joined": Family("efficientdet", lambda n: efficientdet(n, "joined"), {**YOLO, "anchor_scale": 3.0}, score=SURE),
}
