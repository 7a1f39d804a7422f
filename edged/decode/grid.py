"""The cells at which detectors of the YOLO kind make their statements: a grid for each level, finer ones first as a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, MinLen
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.core.tensor import TensorSpec

Strides = Annotated[tuple[float, ...], MinLen(1), Ge(1), Le(1024)]
"""The type of a parameter that lists strides."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Cells of all levels, level by level, row by row.

    ``xy`` float32 (n, 2) counts columns and rows; ``stride`` float32 (n, 1) is the size of a cell in input px. ``levels`` holds
    (rows, columns) of each level; ``input_px`` float32 (4,) is width, height, width, height.
    """

    xy: NDArray[np.float32]
    stride: NDArray[np.float32]
    levels: tuple[tuple[int, int], ...]
    input_px: NDArray[np.float32]


def grid(inputs: Sequence[TensorSpec], strides: Sequence[float], decoder: str) -> Grid:
    """The grid of a model for ``strides`` that are of type ``Strides``.

    Raises ModelRejected for an input that is no picture, and for strides that are not whole or not different.
    """
    height, width = input_size(inputs, decoder)
    whole = [int(stride) for stride in strides]
    if whole != list(strides) or len(set(whole)) < len(whole):
        raise ModelRejected(f"strides of decoder {decoder} are {list(strides)}", hint="they have to be different whole numbers")
    levels = level_sizes(inputs, whole)
    cells = [np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2) for rows, columns in levels]
    return Grid(
        np.concatenate(cells).astype(np.float32),
        np.repeat(np.array(whole, np.float32), [len(level) for level in cells])[:, None],
        levels,
        np.array([width, height] * 2, np.float32),
    )


def input_size(inputs: Sequence[TensorSpec], decoder: str) -> tuple[int, int]:
    """Height and width of the one picture that goes in; raises ModelRejected."""
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise ModelRejected(
            f"{decoder} expects a picture [1xHxWxC] as input, the model has {'; '.join(map(str, inputs)) or 'none'}"
        )
    return inputs[0].shape[1], inputs[0].shape[2]


def level_sizes(inputs: Sequence[TensorSpec], strides: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of the grid of each stride, a cell that sticks out included; none if the input is no picture."""
    if [len(spec.shape) for spec in inputs] != [4]:
        return ()
    _, height, width, _ = inputs[0].shape
    return tuple((-(-height // stride), -(-width // stride)) for stride in strides)
