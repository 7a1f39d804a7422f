"""What can be said about the picture of a camera before anything looks at it. Free of numpy: the main process reads it too."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from edged.core.settings import settings
from edged.sources.polygon import polygon_problem

Part = Annotated[float, Ge(0), Le(1)]
"""A place across or down a picture: 0 is its left or upper edge, 1 the right or lower one."""

Corner = tuple[Part, Part]
"""x, y."""

Polygon = Annotated[tuple[Corner, ...], MinLen(3), MaxLen(64)]


@settings
class PictureSettings:
    """How a camera's picture is shown, and how many of its frames are. Everything after it, boxes and events too, is in pixels of
    the picture as it is shown. `crop` and `masks` are in parts (0 to 1) of the whole picture, turned and mirrored already."""

    rotate: Literal[0, 90, 180, 270] = 0
    """Turn it clockwise by so many degrees, for a camera that hangs on its side or upside down."""

    mirror: bool = False
    """Swap left and right, after turning."""

    crop: tuple[Part, Part, Part, Part] | None = None
    """Show only this part: left, top, right, bottom. Small objects are found better in a smaller picture."""

    masks: Annotated[tuple[Polygon, ...], MaxLen(32)] = ()
    """Areas that nobody may see, each a list of its corners [x, y] in order around it. They are blackened before the model, the
    annotated video or a snapshot see the picture, and stay where they are if `crop` changes."""

    max_fps: Annotated[float, Gt(0), Le(1000)] | None = None
    """At most so many frames a second, evenly; the others are dropped, where that can be told before they are decoded."""

    every: Annotated[int, Ge(1), Le(100)] = 1
    """Only every so many-th frame, before `max_fps` counts."""


def picture_problems(picture: PictureSettings) -> tuple[str, ...]:
    """What is wrong with the values together, one sentence each; empty if they can be used."""
    problems = []
    if picture.crop is not None:
        left, top, right, bottom = picture.crop
        if left >= right or top >= bottom:
            problems.append(f"picture.crop: {list(picture.crop)} is empty, expected left, top, right, bottom")
    for number, mask in enumerate(picture.masks, start=1):
        if problem := polygon_problem(mask):
            problems.append(f"picture.masks: mask {number}: {problem}")
    return tuple(problems)
