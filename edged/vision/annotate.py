"""Pictures for people: boxes and names drawn into frames."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edged.core.cv import cv2
from edged.core.errors import OutputUnwritable
from edged.core.frame import Frame
from edged.core.track import Box, Track

log = logging.getLogger("edged.vision")

Image = NDArray[np.uint8]

MIN_WIDTH_PX = 640
"""Smaller pictures are enlarged, so that a name can be read."""

COLOURS = ((80, 200, 80), (220, 140, 60), (60, 140, 240), (200, 90, 200), (60, 210, 220), (90, 90, 240))
"""BGR, told apart by people with the common colour blindnesses as far as six colours can be."""

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}


def draw(image: Image, objects: Iterable[tuple[Box, str, int]]) -> Image:
    """A copy of ``image`` (uint8 (h, w, 3) BGR), enlarged if small, with each (box in its pixels, text, number of the colour)."""
    scale = max(1, -(-MIN_WIDTH_PX // image.shape[1]))
    canvas = cast(Image, cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)) if scale > 1 else image.copy()
    for box, text, number in objects:
        colour = COLOURS[number % len(COLOURS)]
        x0, y0, x1, y1 = (round(v * scale) for v in box)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, 2, cv2.LINE_AA)
        (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
        top = max(0, y0 - height - base - 4)
        cv2.rectangle(canvas, (x0, top), (x0 + width + 6, top + height + base + 4), colour, cv2.FILLED)
        cv2.putText(canvas, text, (x0 + 3, top + height + 2), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return canvas


class AnnotatedVideo:
    """Writes inferred frames with their tracks into one video file, made with the first frame."""

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in CODECS:
            raise OutputUnwritable(f"annotated = {path}: unknown kind of video", hint=f"use one of {', '.join(CODECS)}")
        try:
            path.open("ab").close()
        except OSError as error:
            raise OutputUnwritable(f"annotated = {path}: cannot be written: {error.strerror}", hint="name another file") from error
        self._path = path
        self._given_up = False
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, frame: Frame, tracks: Iterable[Track], label: Callable[[int], str], fps: float) -> None:
        """Append a frame. What cannot be written is said once and left out: it is for looking only."""
        if self._given_up:
            return
        objects = [(t.box, f"{label(t.class_id)} {t.id}  {t.score:.2f}", t.id) for t in tracks if t.matched]
        canvas = draw(frame.image, objects)
        if self._writer is None:
            self._size = (canvas.shape[1], canvas.shape[0])
            codec = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self._path), codec, fps or 15.0, self._size)
            if not self._writer.isOpened():
                log.error("annotated video %s cannot be written; going on without it", self._path)
                self._given_up = True
                return
        if (canvas.shape[1], canvas.shape[0]) != self._size:
            canvas = cast(Image, cv2.resize(canvas, self._size))
        self._writer.write(canvas)

    def close(self) -> None:
        """Finish the file, so that players can read it."""
        if self._writer is not None:
            self._writer.release()
