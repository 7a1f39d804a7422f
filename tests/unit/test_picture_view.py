"""The picture as it is shown, against slow references in plain numpy."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.core.errors import SourceUnusable
from edged.sources.picture_settings import Corner, PictureSettings, picture_problems
from edged.sources.polygon import polygon_problem
from edged.sources.view import MIN_SIDE_PX, View

sizes = st.tuples(st.integers(MIN_SIDE_PX, 70), st.integers(MIN_SIDE_PX, 70))
parts = st.floats(0, 1, allow_subnormal=False)
corners = st.tuples(parts, parts)


def around(points: list[Corner]) -> tuple[Corner, ...]:
    """In order around their middle: the sides of any polygon but those of a star do not cross then."""
    x, y = np.mean(points, axis=0)
    return tuple(sorted(points, key=lambda point: math.atan2(point[1] - y, point[0] - x)))


polygons = st.lists(corners, min_size=3, max_size=7).map(around).filter(lambda polygon: not polygon_problem(polygon))


@st.composite
def crops(draw: st.DrawFn) -> tuple[float, float, float, float] | None:
    """Wide enough for any of ``sizes``, one with the least size included."""
    if draw(st.booleans()):
        return None
    left, top = draw(st.floats(0, 0.05)), draw(st.floats(0, 0.05))
    return left, top, draw(st.floats(0.5, 1)), draw(st.floats(0.5, 1))


@st.composite
def pictures(draw: st.DrawFn) -> PictureSettings:
    return PictureSettings(
        rotate=draw(st.sampled_from([0, 90, 180, 270])),
        mirror=draw(st.booleans()),
        crop=draw(crops()),
        masks=tuple(draw(st.lists(polygons, max_size=3))),
    )


def image_of(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """No pixel is black, so that black means hidden."""
    return np.random.default_rng(seed).integers(1, 256, (*size, 3), dtype=np.uint8)


def upright(image: np.ndarray, picture: PictureSettings) -> np.ndarray:
    turned = np.rot90(image, -picture.rotate // 90)
    return turned[:, ::-1] if picture.mirror else turned


def cropped(image: np.ndarray, picture: PictureSettings) -> np.ndarray:
    if picture.crop is None:
        return image
    height, width = image.shape[:2]
    x0, y0, x1, y1 = picture.crop
    return image[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)]


def inside(polygon: tuple[Corner, ...], x: float, y: float) -> bool:
    """Jordan's ray to the right."""
    crossings = 0
    for (ax, ay), (bx, by) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            crossings += 1
    return crossings % 2 == 1


def distance(polygon: tuple[Corner, ...], x: float, y: float) -> float:
    """To the nearest side."""
    nearest = np.inf
    for a, b in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        ab, ap = np.subtract(b, a), np.subtract((x, y), a)
        along = np.clip(ap @ ab / max(ab @ ab, 1e-12), 0, 1)
        nearest = min(nearest, float(np.hypot(*(ap - along * ab))))
    return nearest


@given(size=sizes, picture=pictures(), seed=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_every_pixel_is_where_plain_numpy_puts_it_or_hidden(size: tuple[int, int], picture: PictureSettings, seed: int) -> None:
    image = image_of(size, seed)
    image.flags.writeable = False
    view = View(picture)
    expected = cropped(upright(image, picture), picture)
    if min(expected.shape[:2]) < MIN_SIDE_PX:
        with pytest.raises(SourceUnusable, match="leaves"):
            view(image)
        return
    shown = view(image)
    assert shown.shape == expected.shape
    assert shown.flags.c_contiguous
    assert view.size(size[1], size[0]) == (shown.shape[1], shown.shape[0])
    hidden = (shown == 0).all(axis=2)
    assert np.array_equal(shown[~hidden], expected[~hidden])
    if not picture.masks:
        assert not hidden.any()


@given(size=st.tuples(st.integers(MIN_SIDE_PX, 24), st.integers(MIN_SIDE_PX, 24)), picture=pictures())
@settings(max_examples=60, deadline=None)
def test_no_pixel_that_a_mask_touches_is_shown_and_none_far_from_it_is_hidden(
    size: tuple[int, int], picture: PictureSettings
) -> None:
    image = image_of(size)
    height, width = upright(image, picture).shape[:2]
    try:
        shown = View(picture)(image)
    except SourceUnusable:
        return
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2)
    in_px = [tuple((x * width, y * height) for x, y in mask) for mask in picture.masks]
    for (x, y), pixel in zip(cropped(places, picture).reshape(-1, 2).tolist(), shown.reshape(-1, 3), strict=True):
        points = [(x + dx, y + dy) for dx, dy in product((0.01, 0.5, 0.99), repeat=2)]
        touched = any(inside(mask, *point) for mask in in_px for point in points)
        near = any(inside(mask, x + 0.5, y + 0.5) or distance(mask, x + 0.5, y + 0.5) <= 3 for mask in in_px)
        hidden = not pixel.any()
        assert hidden or not touched
        assert near or not hidden


@given(st.lists(sizes, min_size=1, max_size=6), pictures())
@settings(max_examples=60, deadline=None)
def test_pictures_of_any_sizes_after_each_other_are_each_shown_as_if_alone(
    sequence: list[tuple[int, int]], picture: PictureSettings
) -> None:
    view = View(picture)
    for number, size in enumerate([*sequence, *sequence]):
        image = image_of(size, number)
        try:
            alone = View(picture)(image)
        except SourceUnusable:
            with pytest.raises(SourceUnusable):
                view(image)
        else:
            assert np.array_equal(view(image), alone)


def test_masks_stay_where_they_are_if_the_crop_changes() -> None:
    image = image_of((48, 64))
    mask = ((0.5, 0.25), (0.75, 0.25), (0.75, 0.75), (0.5, 0.75))
    whole = View(PictureSettings(masks=(mask,)))(image)
    part = View(PictureSettings(masks=(mask,), crop=(0.25, 0.0, 1.0, 1.0)))(image)
    assert np.array_equal(part, whole[:, 16:])


def test_a_picture_with_nothing_to_do_is_not_copied() -> None:
    image = image_of((48, 64))
    assert View(PictureSettings(max_fps=5))(image) is image


@pytest.mark.parametrize(
    ("polygon", "problem"),
    [
        (((0, 0), (1, 0), (1, 1), (0, 1)), ""),
        (((0, 0), (0.5, 0.2), (1, 0), (0.5, 1)), ""),  # not convex
        (((0, 0), (1, 1), (1, 0), (0, 1)), "sides cross"),
        (((0, 0), (1, 0), (0, 1), (1, 1)), "sides cross"),
        (((0, 0), (0.5, 0), (1, 0), (1, 1), (0, 0)), ""),  # closed as GeoJSON does, with a corner on a side
        (((0, 0), (1, 0), (1, 1)) * 2, "sides cross"),  # twice around would hide nothing
        (((0, 0), (1, 0), (1, 1), (0.5, 0)), "sides cross"),  # touches
        (((0, 0), (0.5, 0.5), (1, 1)), "one line"),
        (((0.3, 0.3),) * 4, "fewer than 3"),
        (((0, 0), (1, 1)), "fewer than 3"),
    ],
)
def test_polygons_that_hide_less_than_they_look_like_are_refused(polygon: tuple[Corner, ...], problem: str) -> None:
    found = polygon_problem(polygon)
    assert problem in found
    assert bool(found) == bool(problem)


def test_problems_name_the_mask_and_the_crop() -> None:
    bow_tie = ((0, 0), (1, 1), (1, 0), (0, 1))
    square = ((0, 0), (1, 0), (1, 1), (0, 1))
    problems = picture_problems(PictureSettings(crop=(0.5, 0, 0.5, 1), masks=(square, bow_tie)))
    assert [problem.split(":")[0] for problem in problems] == ["picture.crop", "picture.masks"]
    assert "mask 2" in problems[1]
