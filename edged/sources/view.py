"""The picture as it is shown: turned, mirrored, blackened, cropped.

Rules: masks are on the pixels before a picture leaves here, whatever its size. Work is done on the part that is shown, and a
picture is copied once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from edged.core.cv import cv2
from edged.core.errors import SourceUnusable
from edged.sources.cover import Cover, Rectangle, cover_of
from edged.sources.picture_settings import PictureSettings
from edged.sources.pixels import Image

MIN_SIDE_PX = 16
"""A crop that leaves less is a mistake; detectors see nothing in it."""

# (degrees clockwise, mirrored afterwards) -> the one pass, or two, that OpenCV needs; numpy's views cost ten times as much to copy.
TURNS: dict[tuple[int, bool], Callable[[Image], Image]] = {
    (0, True): lambda image: cast(Image, cv2.flip(image, 1)),
    (90, False): lambda image: cast(Image, cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)),
    (90, True): lambda image: cast(Image, cv2.transpose(image)),
    (180, False): lambda image: cast(Image, cv2.flip(image, -1)),
    (180, True): lambda image: cast(Image, cv2.flip(image, 0)),
    (270, False): lambda image: cast(Image, cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE)),
    (270, True): lambda image: cast(Image, cv2.flip(cv2.transpose(image), -1)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a ``View`` does to pictures of one size: the part that it takes of the captured one, and the covers of the shown one."""

    source: Rectangle
    covers: tuple[Cover, ...]


class View:
    """Makes captured pictures into shown ones; not for use by two threads at once."""

    def __init__(self, settings: PictureSettings) -> None:
        self._settings = settings
        self._turn = TURNS.get((settings.rotate, settings.mirror))
        self._size = (0, 0)
        self._plan = Plan((0, 0, 0, 0), ())

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as shown of a picture captured with ``width`` x ``height`` px; raises SourceUnusable."""
        left, top, right, bottom = self._shown(*self._upright(width, height))
        return right - left, bottom - top

    def __call__(self, image: Image) -> Image:
        """The shown picture of ``image`` (uint8 (h, w, 3) BGR, not written to); raises SourceUnusable if too little is left."""
        height, width = image.shape[:2]
        if (width, height) != self._size:
            self._plan, self._size = self._planned(width, height), (width, height)
        left, top, right, bottom = self._plan.source
        part = image[top:bottom, left:right]
        if self._turn is not None:
            shown = self._turn(part)
        elif part.shape != image.shape or self._plan.covers:
            shown = part.copy()
        else:
            shown = image
        for cover in self._plan.covers:
            cover.hide(shown)
        return shown

    def _upright(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self._settings.rotate in {90, 270} else (width, height)

    def _shown(self, width: int, height: int) -> Rectangle:
        """The crop in pixels of the upright picture."""
        if self._settings.crop is None:
            return 0, 0, width, height
        x0, y0, x1, y1 = self._settings.crop
        left, top, right, bottom = round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height)
        if min(right - left, bottom - top) < MIN_SIDE_PX:
            raise SourceUnusable(
                f"picture.crop leaves {right - left}x{bottom - top} of {width}x{height} pixels",
                hint=f"at least {MIN_SIDE_PX} across and down are needed",
            )
        return left, top, right, bottom

    def _planned(self, width: int, height: int) -> Plan:
        upright = self._upright(width, height)
        shown = self._shown(*upright)
        covers = (cover_of(mask, *upright, shown) for mask in self._settings.masks)
        return Plan(self._captured(shown, *upright), tuple(cover for cover in covers if cover is not None))

    def _captured(self, shown: Rectangle, width: int, height: int) -> Rectangle:
        """Where the rectangle ``shown`` of the upright picture of ``width`` x ``height`` px is in the captured one."""
        left, top, right, bottom = shown
        if self._settings.mirror:
            left, right = width - right, width - left
        match self._settings.rotate:
            case 0:
                return left, top, right, bottom
            case 90:
                return top, width - right, bottom, width - left
            case 180:
                return width - right, height - bottom, width - left, height - top
            case 270:
                return height - bottom, left, height - top, right
