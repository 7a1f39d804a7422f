"""Pictures become the numbers that a network was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import ModelRejected
from edged.core.model import InputSpec
from edged.core.tensor import TensorSpec
from edged.infer.preprocess import Preprocessor

BLUE = np.full((40, 80, 3), (255, 128, 0), np.uint8)  # BGR


def filled(tensor: TensorSpec, how: InputSpec, image: np.ndarray = BLUE) -> np.ndarray:
    out = np.full(tensor.shape, 77, tensor.dtype)
    Preprocessor(tensor, how)(image, out)
    return out


@pytest.mark.parametrize(("colour", "pixel"), [("rgb", [0, 128, 255]), ("bgr", [255, 128, 0])])
def test_colour_order(colour: str, pixel: list[int]) -> None:
    out = filled(TensorSpec("in", (1, 10, 20, 3), "uint8"), InputSpec(colour=colour))  # type: ignore[arg-type]
    assert (out == pixel).all()


def test_float_input_is_normalised() -> None:
    out = filled(TensorSpec("in", (1, 10, 20, 3), "float32"), InputSpec(mean=(127.5,), std=(127.5,)))
    assert np.allclose(out, [-1, 128 / 127.5 - 1, 1])


def test_each_channel_has_its_own_mean() -> None:
    out = filled(TensorSpec("in", (1, 10, 20, 3), "float32"), InputSpec(mean=(0, 100, 200), std=(1, 2, 5)))
    assert np.allclose(out, [0, 14, 11])


@given(st.integers(0, 255), st.floats(0.001, 0.1), st.integers(-128, 127))
def test_quantised_input_stands_for_the_normalised_value(pixel: int, scale: float, zero_point: int) -> None:
    tensor = TensorSpec("in", (1, 4, 4, 3), "int8", scale, zero_point)
    out = filled(tensor, InputSpec(mean=(127.5,), std=(127.5,)), np.full((4, 4, 3), pixel, np.uint8))
    value = (pixel - 127.5) / 127.5
    held = np.clip(value, (-128 - zero_point) * scale, (127 - zero_point) * scale)
    assert abs((float(out.flat[0]) - zero_point) * scale - held) <= 0.5001 * scale


def test_int8_without_normalisation_is_shifted() -> None:
    out = filled(TensorSpec("in", (1, 10, 20, 3), "int8", 1 / 255, -128), InputSpec())
    assert (out == [-128, 0, 127]).all()


def test_letterbox_pads_with_black_as_the_network_sees_it() -> None:
    tensor = TensorSpec("in", (1, 20, 20, 3), "float32")
    out = np.full(tensor.shape, 77, np.float32)
    place = Preprocessor(tensor, InputSpec(resize="letterbox", mean=(127.5,), std=(127.5,)))(BLUE, out)
    assert (place.left, place.top, place.width, place.height) == (0, 5, 20, 10)
    assert (out[0, :5] == -1).all()
    assert (out[0, 15:] == -1).all()
    assert np.allclose(out[0, 5:15], [-1, 128 / 127.5 - 1, 1])


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("padding", [0, 114, 255])
def test_padding_is_quantised_as_a_pixel_of_its_value(dtype: str, padding: int) -> None:
    tensor = TensorSpec("in", (1, 20, 20, 3), dtype, 0.02, -11 if dtype == "int8" else 117)
    how = InputSpec(resize="letterbox", mean=(10.0, 120.0, 130.0), std=(57.0, 58.0, 120.0), padding=padding)
    out = filled(tensor, how, np.full((40, 80, 3), padding, np.uint8))
    assert (out == out[0, 10, 10]).all()  # the bars are as the picture, which is all of that value
    steps = np.round((padding - np.array(how.mean)) / np.array(how.std) / tensor.scale) + tensor.zero_point
    held = np.clip(steps, np.iinfo(dtype).min, np.iinfo(dtype).max)
    assert out[0, 0, 0].tolist() == held.tolist()


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 114), ("float32", 114), ("int8", -14)])
def test_padding_of_an_input_that_is_not_normalised(dtype: str, value: int) -> None:
    out = filled(TensorSpec("in", (1, 20, 20, 3), dtype), InputSpec(resize="letterbox", padding=114))
    assert (out[0, :5] == value).all()
    assert (out[0, 15:] == value).all()
    assert (out[0, 5:15] != value).all()


def test_grey_input() -> None:
    out = filled(TensorSpec("in", (1, 10, 20, 1), "uint8"), InputSpec())
    assert (out == round(0.114 * 255 + 0.587 * 128)).all()


def test_picture_of_another_size_is_placed_anew() -> None:
    tensor = TensorSpec("in", (1, 20, 20, 3), "uint8")
    preprocess, out = Preprocessor(tensor, InputSpec(resize="letterbox")), np.zeros(tensor.shape, np.uint8)
    assert preprocess(BLUE, out).height == 10
    assert preprocess(np.ascontiguousarray(BLUE.transpose(1, 0, 2)), out).width == 10


@pytest.mark.parametrize(
    ("tensor", "how", "says"),
    [
        (TensorSpec("in", (1, 8), "float32"), InputSpec(), "no picture"),
        (TensorSpec("in", (4, 8, 8, 3), "uint8"), InputSpec(), "no picture"),
        (TensorSpec("in", (1, 8, 8, 3), "int32"), InputSpec(), "written as"),
        (TensorSpec("in", (1, 8, 8, 3), "uint8"), InputSpec(mean=(1, 2), std=(1,)), "2 numbers for 3 channels"),
    ],
)
def test_input_that_does_not_fit_is_refused(tensor: TensorSpec, how: InputSpec, says: str) -> None:
    with pytest.raises(ModelRejected, match=says):
        Preprocessor(tensor, how)
