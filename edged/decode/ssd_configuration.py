"""How an SSD was configured, and the anchors that follow from it: the parameters of ``ssd_heads``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, MinLen
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.core.model import Parameter
from edged.core.settings import settings
from edged.core.tensor import TensorSpec
from edged.decode.grid import Strides
from edged.decode.ssd_anchors import InputPx, Sizes, anchor_count, multiscale_sizes, place, ssd_sizes
from edged.decode.suppression import SuppressionParameters

MAX_LISTED = 32
"""Strides or aspect ratios at most; no published network has more than seven. Their product is a number of anchors."""

XYWH = {"yxhw": [1, 0, 3, 2], "xywh": [0, 1, 2, 3]}
"""Where centre x, centre y, width and height are, by ``box_order``."""

CONFIGURATIONS: tuple[dict[str, Parameter], ...] = (
    {},
    {"anchor_generator": "multiscale", "strides": (8.0, 16.0, 32.0, 64.0, 128.0), "aspect_ratios": (1.0, 2.0, 0.5)},
)
"""Of published models, SSD MobileNet v1 and v2, and the same with a feature pyramid (FPNLite); for proposals only."""


@settings
class HeadParameters(SuppressionParameters):
    """Parameters of ``ssd_heads``."""

    output_order: str = ""
    """The roles of the outputs in the interpreter's order: `boxes,scores`, or `boxes,scores,anchors`, in the order that the model
    has. Only needed for three outputs, or for four classes."""

    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """What is left to be done to the scores: `none` where the graph ends in LOGISTIC or SOFTMAX, else `sigmoid` or `softmax`."""

    background: bool = True
    """Whether column 0 of the scores is the background, which is no object."""

    label_offset: Annotated[int, Ge(-1), Le(1)] = 0
    """What is added to the column to find the label: -1 where the labels begin with the first object and the scores with the
    background."""

    box_order: Literal["yxhw", "xywh"] = "yxhw"
    """The order within a box, and within an anchor that is listed or put out: TensorFlow's, or that of most others."""

    centre_scale: Annotated[float, Ge(0.01), Le(1000)] = 10.0
    """What offsets of the centre are divided by (`y_scale` and `x_scale` of the operator; 1 / variance 0.1)."""

    size_scale: Annotated[float, Ge(0.01), Le(1000)] = 5.0
    """What logarithms of the size are divided by (`h_scale` and `w_scale` of the operator; 1 / variance 0.2)."""

    anchors: tuple[float, ...] = ()
    """All anchors as one list of four numbers each, normalised to the input; or `anchors_file`, a CSV file of the bundle with an
    anchor a line. Left out, they are worked out from what follows."""

    anchor_generator: Literal["ssd", "multiscale"] = "ssd"
    """The scheme: `ssd_anchor_generator` or `multiscale_anchor_generator` of TensorFlow's configurations."""

    strides: Strides = (16, 32, 64, 128, 256, 512)
    """Pixels of the input for a cell of each feature map: the input's size by the map's."""

    aspect_ratios: Annotated[tuple[float, ...], MinLen(1), Ge(0.01), Le(100)] = (1, 2, 0.5, 3, 1 / 3)
    """Width by height of the anchors of a cell, in their order."""

    min_scale: Annotated[float, Gt(0), Le(10)] = 0.2
    """`ssd`: the size of anchors in the lowest layer, as a share of the input."""

    max_scale: Annotated[float, Gt(0), Le(10)] = 0.95
    """`ssd`: the same for the highest layer."""

    interpolated_scale_aspect_ratio: Annotated[float, Ge(0), Le(100)] = 1.0
    """`ssd`: the aspect ratio of one more anchor, between the layer's size and the next one's; 0 for none."""

    reduce_boxes_in_lowest_layer: bool = True
    """`ssd`: whether the lowest layer has three anchors a cell only."""

    anchor_scale: Annotated[float, Gt(0), Le(100)] = 4.0
    """`multiscale`: the size of anchors in strides."""

    scales_per_octave: Annotated[int, Ge(1), Le(16)] = 2
    """`multiscale`: how many sizes there are between one size and its double."""


def anchors_of(parameters: HeadParameters, inputs: Sequence[TensorSpec], count: int, decoder: str) -> NDArray[np.float32]:
    """The anchors of ``count`` boxes, float32 (count, 4): centre x, centre y, width, height, normalised to the input.

    Raises ModelRejected if the parameters list or make another number of them.
    """
    if parameters.anchors:
        return _listed(parameters, count, decoder)
    input_px = _input_px(inputs)
    lists = (parameters.strides, parameters.aspect_ratios)
    if input_px is None or any(stride % 1 for stride in parameters.strides) or max(map(len, lists)) > MAX_LISTED:
        raise ModelRejected(
            f"{decoder} cannot make anchors for its strides and aspect_ratios and the inputs {'; '.join(map(str, inputs))}",
            hint=f"strides are whole numbers, neither list is longer than {MAX_LISTED}, the input is [1, height, width, channels]",
        )
    strides, sizes = _strides(parameters), _sizes(parameters, input_px)
    made = anchor_count(input_px, strides, sizes)
    if made != count:
        per_cell = ", ".join(str(len(layer)) for layer in sizes)
        raise ModelRejected(
            f"{decoder}: the model has {count} boxes, its parameters make {made} anchors "
            f"(strides {', '.join(map(str, strides))} with {per_cell} a cell)",
            hint="take strides, aspect_ratios and the rest from the model's training configuration, or list its anchors",
        )
    return place(input_px, strides, sizes, by_stride=parameters.anchor_generator == "multiscale")


def published(inputs: Sequence[TensorSpec], count: int) -> dict[str, Parameter] | None:
    """The parameters of a published configuration that makes ``count`` anchors."""
    input_px = _input_px(inputs)
    if input_px is None:
        return None
    for stated in CONFIGURATIONS:
        parameters = HeadParameters(**stated)  # type: ignore[arg-type]
        if anchor_count(input_px, _strides(parameters), _sizes(parameters, input_px)) == count:
            return stated
    return None


def _listed(parameters: HeadParameters, count: int, decoder: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        anchors = np.array(parameters.anchors).astype(np.float32)
    if len(anchors) != 4 * count or not np.isfinite(anchors).all():
        raise ModelRejected(
            f"{decoder}: {len(anchors)} numbers are listed as anchors, the model's {count} boxes need {4 * count}",
            hint="four finite numbers an anchor, in the order that box_order states",
        )
    return anchors.reshape(-1, 4)[:, XYWH[parameters.box_order]]


def _input_px(inputs: Sequence[TensorSpec]) -> InputPx | None:
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        return None
    _, height, width, _ = inputs[0].shape
    return height, width


def _strides(parameters: HeadParameters) -> list[int]:
    return [int(stride) for stride in parameters.strides]


def _sizes(parameters: HeadParameters, input_px: InputPx) -> Sizes:
    if parameters.anchor_generator == "multiscale":
        return multiscale_sizes(
            _strides(parameters),
            anchor_scale=parameters.anchor_scale,
            aspect_ratios=parameters.aspect_ratios,
            scales_per_octave=parameters.scales_per_octave,
        )
    return ssd_sizes(
        input_px,
        len(parameters.strides),
        min_scale=parameters.min_scale,
        max_scale=parameters.max_scale,
        aspect_ratios=parameters.aspect_ratios,
        interpolated_scale_aspect_ratio=parameters.interpolated_scale_aspect_ratio,
        reduce_boxes_in_lowest_layer=parameters.reduce_boxes_in_lowest_layer,
    )
