"""Boxes find their way back from the model's input to the source picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.detections import Detections
from edged.core.letterbox import Letterbox, Resize

SIDE = st.integers(8, 4000)
Corners = tuple[float, float, float, float]


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


def in_source(place: Letterbox, *boxes: tuple[float, float, float, float]) -> Detections:
    """Boxes in pixels of the input, numbered by their classes."""
    normalised = np.array(boxes, np.float32) / np.array([place.input_width, place.input_height] * 2, np.float32)
    return place.in_source(Detections(normalised, np.full(len(boxes), 0.5, np.float32), np.arange(len(boxes), dtype=np.int32)))


def test_what_was_seen_in_the_padding_alone_is_left_out() -> None:
    place = Letterbox.fit((1280, 720), (640, 640), "letterbox")  # rows 140 to 500
    above, touching, below = (100, 0, 200, 100), (100, 100, 200, 140), (100, 520, 200, 640)
    entering, inside, whole = (100, 0, 200, 141), (100, 200, 200, 300), (0, 0, 640, 640)
    found = in_source(place, above, entering, touching, inside, below, whole)
    assert found.class_id.tolist() == [1, 3, 5]
    assert np.allclose(found.xyxy, [[200, 0, 400, 2], [200, 120, 400, 320], [0, 0, 1280, 720]], atol=1e-3)
    assert len(found.score) == 3


def test_what_was_seen_beside_a_stretched_picture_is_left_out() -> None:
    place = Letterbox.fit((640, 480), (300, 300), "stretch")
    assert in_source(place, (-50, 10, -1, 20), (290, 10, 400, 20), (300, 10, 400, 20)).class_id.tolist() == [1]


@given(SIDE, SIDE, SIDE, SIDE, st.lists(st.tuples(*[st.floats(-1, 2)] * 4), max_size=8))
def test_every_box_that_is_left_has_an_area_within_the_picture(sw: int, sh: int, tw: int, th: int, corners: list[Corners]) -> None:
    boxes = [(x0 * tw, y0 * th, x1 * tw, y1 * th) for x0, y0, x1, y1 in corners]
    found = in_source(Letterbox.fit((sw, sh), (tw, th), "letterbox"), *boxes) if boxes else Detections.empty()
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [sw, sh, sw, sh]).all()


def test_empty_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        Letterbox.fit((0, 480), (300, 300), "stretch")
