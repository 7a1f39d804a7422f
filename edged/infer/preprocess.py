"""From a picture to a model's input tensor: resize, colour order and numbers, in three passes over the small picture.

Every pixel value is one of 256, so normalisation and quantisation together are one look-up table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.core.cv import cv2
from edged.core.errors import ModelRejected
from edged.core.letterbox import Letterbox
from edged.core.model import InputSpec
from edged.core.tensor import TensorSpec

Image = NDArray[np.uint8]


class Preprocessor:
    """Writes pictures into input tensors of one model; not for use by two threads at once (it keeps scratch space)."""

    def __init__(self, tensor: TensorSpec, how: InputSpec) -> None:
        if len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[3] not in (1, 3):
            raise ModelRejected(f"input {tensor} is no picture", hint="expected [1, height, width, 3 or 1]")
        _, self._height, self._width, self._channels = tensor.shape
        self._resize = how.resize
        table = pixel_table(tensor, how)
        self._pad = table[0].ravel()
        identity = tensor.dtype == "uint8" and bool((table == np.arange(256, dtype=np.uint8)[:, None, None]).all())
        # One column for all channels takes OpenCV's fast path.
        self._table = None if identity else table[:, :, :1].copy() if (table == table[:, :, :1]).all() else table
        self._colour = cv2.COLOR_BGR2GRAY if self._channels == 1 else cv2.COLOR_BGR2RGB if how.colour == "rgb" else None
        self._placement: Letterbox | None = None
        self._small: Image
        self._coloured: Image

    def __call__(self, image: Image, tensor: NDArray[Any]) -> Letterbox:
        """Write ``image`` (uint8 (h, w, 3) BGR) into ``tensor`` (the model's input shape and dtype) and say where it lies."""
        place = self._place(image.shape[1], image.shape[0])
        area = tensor[0, place.top : place.top + place.height, place.left : place.left + place.width]
        if area.shape[:2] != tensor.shape[1:3]:
            tensor[0] = self._pad
        if self._channels == 1:
            area = area[:, :, 0]  # as OpenCV sees grey pictures
        # Plain bilinear, aliasing included: detectors are trained behind tf.image.resize, and an area filter lowers their scores.
        small = cv2.resize(image, (place.width, place.height), dst=self._small, interpolation=cv2.INTER_LINEAR)
        if self._colour is not None:
            small = cv2.cvtColor(small, self._colour, dst=area if self._table is None else self._coloured)
        if self._table is not None:
            cv2.LUT(small, self._table, dst=area)
        elif self._colour is None:
            np.copyto(area, small)
        return place

    def _place(self, width: int, height: int) -> Letterbox:
        place = self._placement
        if place is None or (place.source_width, place.source_height) != (width, height):
            place = self._placement = Letterbox.fit((width, height), (self._width, self._height), self._resize)
            # Kept, because memory of this size that is given back goes to the kernel, and comes back page by page.
            self._small = np.empty((place.height, place.width, 3), np.uint8)
            self._coloured = np.empty((place.height, place.width, 3)[: 2 if self._channels == 1 else 3], np.uint8)
        return place


def pixel_table(tensor: TensorSpec, how: InputSpec) -> NDArray[np.integer | np.floating]:
    """The input value for each of 256 pixel values, (256, 1, channels) in the tensor's dtype; raises ModelRejected."""
    channels = tensor.shape[3]
    pixel = np.arange(256, dtype=np.float64)[:, None, None]
    if how.mean is None or how.std is None:
        if tensor.dtype not in {"uint8", "int8", "float32"}:
            raise ModelRejected(f"input {tensor}: pictures are written as uint8, int8 or float32")
        value = pixel - 128 if tensor.dtype == "int8" else pixel
    else:
        for name, numbers in (("mean", how.mean), ("std", how.std)):
            if len(numbers) not in (1, channels):
                raise ModelRejected(
                    f"[input] {name} has {len(numbers)} numbers for {channels} channels", hint="give 1 or one a channel"
                )
        value = (pixel - np.array(how.mean)) / np.array(how.std)
        if tensor.quantised:
            value = np.round(value / tensor.scale) + tensor.zero_point
    dtype = np.dtype(tensor.dtype)
    if np.issubdtype(dtype, np.integer):
        value = np.clip(value, np.iinfo(dtype).min, np.iinfo(dtype).max)
    return np.ascontiguousarray(np.broadcast_to(value, (256, 1, channels)).astype(dtype))
