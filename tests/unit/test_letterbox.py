"""Boxes find their way back from the model's input to the source picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.letterbox import Letterbox, Resize

SIDE = st.integers(8, 4000)


@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from(["letterbox", "stretch"]), st.tuples(*[st.floats(0, 1)] * 4))
def test_box_comes_back_to_where_it_was(sw: int, sh: int, tw: int, th: int, resize: Resize, corners: tuple[float, ...]) -> None:
    place = Letterbox.fit((sw, sh), (tw, th), resize)
    source = np.array([corners], np.float32) * np.array([sw, sh, sw, sh], np.float32)
    scale = np.array([place.width / sw, place.height / sh] * 2)
    normalised = (source * scale + np.array([place.left, place.top] * 2)) / np.array([tw, th] * 2)
    back = place.to_source(normalised.astype(np.float32))
    # One step of float32 in the input, seen through the enlargement.
    tolerance = 1e-5 * max(tw, th) * max(1, *(1 / scale)) + 1e-3
    assert np.abs(back - source).max() <= tolerance


@given(SIDE, SIDE, SIDE, SIDE)
def test_letterbox_keeps_the_ratio_and_stays_inside(sw: int, sh: int, tw: int, th: int) -> None:
    place = Letterbox.fit((sw, sh), (tw, th), "letterbox")
    assert place.left >= 0 and place.left + place.width <= tw
    assert place.top >= 0 and place.top + place.height <= th
    assert place.width == tw or place.height == th
    assert abs(place.width * sh - place.height * sw) <= max(sw, sh)  # half a pixel of rounding on either side


def test_boxes_beyond_the_picture_are_clipped() -> None:
    place = Letterbox.fit((640, 480), (300, 300), "stretch")
    assert place.to_source(np.array([[-0.5, 0.5, 1.5, 2.0]], np.float32)).tolist() == [[0, 240, 640, 480]]


def test_empty_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        Letterbox.fit((0, 480), (300, 300), "stretch")
