"""Inputs for the model of a microcontroller, from files and numbers of a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edged.core.errors import SourceUnusable
from edged.mcu.reading import DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.mcu.info import TensorInfo

PICTURES = {".bmp", ".png", ".jpg", ".jpeg"}
SOUNDS = {".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"}


def make_inputs(
    tensors: Sequence[TensorInfo], files: Sequence[Path], values: Sequence[float], *, raw_pixels: bool
) -> tuple[bytes, ...]:
    """The bytes of each input tensor; raises SourceUnusable for what does not fit them.

    ``values`` are real numbers, spread over all inputs in turn; a .npy of floats is real numbers, one of the tensor's own type is
    as stored. A picture is scaled to the tensor's height and width, and its 0..255 to what the tensor can hold, unless
    ``raw_pixels``.
    """
    if values and files:
        raise SourceUnusable("files are named, and numbers are given by --value: it is one or the other")
    if values:
        return _from_values(tensors, values)
    if len(files) != len(tensors):
        wanted = "1 input" if len(tensors) == 1 else f"{len(tensors)} inputs"
        named = {0: "none is", 1: "1 is"}.get(len(files), f"{len(files)} are")
        raise SourceUnusable(
            f"the model takes {wanted}, and {named} given", hint="Name a file for each, or its numbers by --value."
        )
    return tuple(_from_file(path, tensor, raw_pixels) for path, tensor in zip(files, tensors, strict=True))


def _from_values(tensors: Sequence[TensorInfo], values: Sequence[float]) -> tuple[bytes, ...]:
    counts = [_count(tensor) for tensor in tensors]
    if len(values) != sum(counts):
        raise SourceUnusable(f"the model takes {sum(counts):,} numbers, and {len(values):,} came by --value")
    split = np.split(np.asarray(values, np.float64), np.cumsum(counts)[:-1])
    return tuple(_stored(part, tensor).tobytes() for part, tensor in zip(split, tensors, strict=True))


def _from_file(path: Path, tensor: TensorInfo, raw_pixels: bool) -> bytes:
    try:
        if path.suffix.lower() in SOUNDS:
            hint = "Models of speech take features that were made of it: give those as .npy or .bin."
            raise SourceUnusable(f"{path} is sound, which is not made into an input here", hint=hint)
        if path.suffix.lower() in PICTURES:
            data = _raw_pixels(path) if raw_pixels else _picture(path, tensor).tobytes()
        elif path.suffix.lower() == ".npy":
            array = np.load(path, allow_pickle=False)
            data = array.tobytes() if array.dtype == _dtype(tensor) else _stored(array.astype(np.float64), tensor).tobytes()
        else:
            data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise SourceUnusable(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) != tensor.size_bytes:
        shape = "x".join(map(str, tensor.shape))
        raise SourceUnusable(f"{path} gives {len(data):,} bytes, and the input {shape} has {tensor.size_bytes:,}")
    return data


def _picture(path: Path, tensor: TensorInfo) -> NDArray[np.generic]:
    import cv2

    if len(tensor.shape) != 4 or tensor.shape[3] not in {1, 3}:
        raise SourceUnusable(f"the model takes no picture: its input is {'x'.join(map(str, tensor.shape))}")
    _, height, width, channels = tensor.shape
    data = np.frombuffer(path.read_bytes(), np.uint8)  # of a file that is not there OpenCV says what nobody asked for
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise SourceUnusable(f"{path} is no picture")
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    if channels == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    dtype = _dtype(tensor)
    if dtype == np.int8:
        return (image.astype(np.int16) - 128).astype(np.int8)
    if dtype == np.uint8:
        return np.asarray(image, np.uint8)
    return (image.astype(np.float32) / np.float32(255)).astype(dtype)


def _raw_pixels(path: Path) -> bytes:
    """The pixels of an uncompressed 8-bit bitmap, top row first. Format: BITMAPFILEHEADER and BITMAPINFOHEADER of Windows."""
    data = path.read_bytes()
    if data[:2] != b"BM" or len(data) < 54:
        raise SourceUnusable(f"{path} is no .bmp")
    start = int.from_bytes(data[10:14], "little")
    width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
    depth, compression = int.from_bytes(data[28:30], "little"), int.from_bytes(data[30:34], "little")
    stride = (width + 3) // 4 * 4
    if depth != 8 or compression or width <= 0 or len(data) < start + stride * abs(height):
        raise SourceUnusable(f"{path} is no uncompressed .bmp of 8 bits a pixel")
    rows = [data[start + stride * at :][:width] for at in range(abs(height))]
    return b"".join(rows if height < 0 else reversed(rows))


def _stored(real: NDArray[np.float64], tensor: TensorInfo) -> NDArray[np.generic]:
    dtype = _dtype(tensor)
    if not np.issubdtype(dtype, np.integer):
        return real.astype(dtype)
    if not np.isfinite(real).all():
        raise SourceUnusable(f"an input of {dtype.name} holds no infinite number, and no NaN")
    limits = np.iinfo(dtype.type)  # type: ignore[type-var]  # it was asked whether it is one
    scaled = real / tensor.scale + tensor.zero_point if tensor.scale else real
    return np.clip(np.rint(scaled), limits.min, limits.max).astype(dtype)


def _dtype(tensor: TensorInfo) -> np.dtype[np.generic]:
    if tensor.dtype not in DTYPES:
        raise SourceUnusable(f"inputs of TFLite's type {tensor.dtype} are not known here")
    return np.dtype(DTYPES[tensor.dtype].name)


def _count(tensor: TensorInfo) -> int:
    return tensor.size_bytes // _dtype(tensor).itemsize
