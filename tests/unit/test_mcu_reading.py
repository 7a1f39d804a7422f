"""What the bytes of a tensor are: TFLite's types by the numbers of its schema."""

from __future__ import annotations

import math
import random
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.mcu.info import TensorInfo
from edged.mcu.noise import draw_noise
from edged.mcu.reading import DTYPES, dtype_name, read_numbers, read_top
from edged.tooling.mcu_input import make_inputs


def test_the_types_are_numbered_as_in_the_schema() -> None:
    from ai_edge_litert.schema_py_generated import TensorType

    assert {number: getattr(TensorType, dtype.name.upper()) for number, dtype in DTYPES.items()} == {it: it for it in DTYPES}
    for dtype in DTYPES.values():
        assert np.dtype(dtype.name).itemsize == struct.calcsize(f"<{dtype.code}")


@pytest.mark.parametrize("number", sorted(DTYPES))
def test_numbers_are_read_as_numpy_stores_them(number: int) -> None:
    stored = np.array([0, 1, 1, 0], DTYPES[number].name)
    assert read_numbers(stored.tobytes(), number) == stored.tolist()
    tensor = TensorInfo(number, (4,), 0.0, 0, stored.nbytes)
    assert make_inputs([tensor], [], [0, 1, 1, 0], raw_pixels=False) == (stored.tobytes(),)
    top = read_top(stored.tobytes(), number, 0.0, 0, ("off", "on"))
    assert top is not None
    assert (top.label, top.score) == ("on", 1)


@given(st.binary(max_size=40), st.integers(0, 255))
def test_any_bytes_of_any_type_are_read(data: bytes, number: int) -> None:
    """Invariant: whole numbers come out, a torn one at the end is left; nothing is raised."""
    size = struct.calcsize(f"<{DTYPES[number].code}") if number in DTYPES else 1
    assert len(read_numbers(data, number)) == len(data) // size
    assert dtype_name(number)
    read_top(data, number, 1.0, 0, ())


@given(st.sampled_from(sorted(DTYPES)), st.integers(0, 2**32))
def test_noise_is_made_of_numbers(number: int, seed: int) -> None:
    tensor = TensorInfo(number, (8,), 0.0, 0, 8 * struct.calcsize(f"<{DTYPES[number].code}"))
    drawn = draw_noise(tensor, random.Random(seed))
    assert len(drawn) == tensor.size_bytes
    assert all(math.isfinite(value) for value in read_numbers(drawn, number))
    if DTYPES[number].name == "bool":
        assert set(drawn) <= {0, 1}
