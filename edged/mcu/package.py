"""Model packages: the payload of a model image, a ``.tflite`` with golden vectors that show a board computes it rightly; no I/O.

The layout stands in firmware/boot/package.h. Input and output of a vector hold all tensors of the model in their order; in the
package each is filled up with zeros to a multiple of 4 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edged.core.errors import ImageRefused

VERSION = 1
MAX_VECTORS = 0xFFFF

_HEADER = struct.Struct("<4sHHII")  # magic, version, vectors, offset and size of the model
_VECTOR = struct.Struct("<IIB3s")  # bytes of input and output, tolerance, zeros
_MAGIC = b"EDMP"
_TENSOR_ALIGNMENT = 4
_MODEL_ALIGNMENT = 16


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """What a model is to answer: the bytes of its input tensors, those of its output tensors, little-endian.

    ``tolerance`` is by how much each element of an output may be off, in steps of its quantisation.
    """

    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    tolerance: int = 0


@dataclass(frozen=True, slots=True)
class StoredVector:
    """A vector as it lies in a package, where nothing says which of its bytes are whose: tensors end to end, each filled up."""

    input: bytes
    output: bytes
    tolerance: int


@dataclass(frozen=True, slots=True)
class Package:
    """What a package holds."""

    model: bytes
    vectors: tuple[StoredVector, ...]


def build(model: bytes, vectors: Sequence[GoldenVector] = ()) -> bytes:
    """The package of a model; raises ValueError for what no package can hold."""
    if not model:
        raise ValueError("an empty model")
    if len(vectors) > MAX_VECTORS:
        raise ValueError(f"{len(vectors):,} golden vectors, at most {MAX_VECTORS:,} fit")
    body = b"".join(map(_vector, vectors))
    offset = _align(_HEADER.size + len(body), _MODEL_ALIGNMENT)
    header = _HEADER.pack(_MAGIC, VERSION, len(vectors), offset, len(model))
    return (header + body).ljust(offset, b"\0") + model


def read(data: bytes) -> Package:
    """What is in it; raises ImageRefused."""
    if len(data) < _HEADER.size:
        raise _refused("it is too short")
    magic, version, count, offset, size = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise _refused("it does not begin as one")
    if version != VERSION:
        raise _refused(f"it has version {version}, expected {VERSION}")
    if offset < _HEADER.size or offset % _MODEL_ALIGNMENT or size == 0 or offset + size != len(data):
        raise _refused("its model is not where it should be")
    vectors, at = [], _HEADER.size
    for _ in range(count):
        vector, at = _read_vector(data[:offset], at)
        vectors.append(vector)
    if offset - at >= _MODEL_ALIGNMENT or any(data[at:offset]):
        raise _refused("something lies between its golden vectors and its model")
    return Package(data[offset:], tuple(vectors))


def _refused(why: str) -> ImageRefused:
    return ImageRefused(f"this is no package of a model: {why}", hint="`edged mcu sign` makes one.", fault="malformed")


def _align(number: int, step: int) -> int:
    return -(-number // step) * step


def _joined(tensors: Sequence[bytes]) -> bytes:
    return b"".join(tensor.ljust(_align(len(tensor), _TENSOR_ALIGNMENT), b"\0") for tensor in tensors)


def _vector(vector: GoldenVector) -> bytes:
    inputs, outputs = _joined(vector.inputs), _joined(vector.outputs)
    if not 0 <= vector.tolerance <= 0xFF:
        raise ValueError(f"a tolerance of {vector.tolerance}, expected 0 to 255 steps")
    return _VECTOR.pack(len(inputs), len(outputs), vector.tolerance, bytes(3)) + inputs + outputs


def _read_vector(data: bytes, at: int) -> tuple[StoredVector, int]:
    if len(data) - at < _VECTOR.size:
        raise _refused("its golden vectors are cut off")
    inputs, outputs, tolerance, zeros = _VECTOR.unpack_from(data, at)
    at += _VECTOR.size
    if inputs % _TENSOR_ALIGNMENT or outputs % _TENSOR_ALIGNMENT or any(zeros):
        raise _refused("a golden vector in it is malformed")
    if inputs + outputs > len(data) - at:
        raise _refused("its golden vectors are cut off")
    end = at + inputs + outputs
    return StoredVector(data[at : at + inputs], data[at + inputs : end], tolerance), end
