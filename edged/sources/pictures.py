"""One picture, or the pictures of a directory."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from edged.core.cv import cv2
from edged.core.errors import SourceUnusable
from edged.sources.recording import Picture

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""What counts as a picture, in lower case."""


class Pictures:
    """A ``Recording`` of picture files that follow each other ``per_s`` times a second; they may differ in size."""

    def __init__(self, place: Path, paths: Sequence[Path], per_s: float) -> None:
        self._place = place
        self._paths = paths
        self._per_s = per_s
        self._index = 0

    @property
    def description(self) -> str:
        """The place and how many there are."""
        return f"picture {self._place}" if self._paths == [self._place] else f"{len(self._paths)} pictures of {self._place}"

    @property
    def fps(self) -> float:
        """Pictures per second."""
        return self._per_s

    def next(self) -> Picture | None:
        """The next picture; raises SourceUnusable where one cannot be decoded or is too large."""
        if self._index >= len(self._paths):
            return None
        path, position_ns = self._paths[self._index], round(self._index * 1e9 / self._per_s)
        self._index += 1
        if not path.is_file():  # OpenCV would wait for someone to write into a pipe
            raise SourceUnusable(f"{path}: {'no regular file' if path.exists() else 'no such file'}")
        try:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        except cv2.error as error:  # raised for sizes above OPENCV_IO_MAX_IMAGE_PIXELS
            raise SourceUnusable(f"{path}: refused by OpenCV: {error.err}") from error
        if image is None:
            raise SourceUnusable(f"{path}: no picture that OpenCV decodes, or damaged, or not readable")
        return Picture(position_ns, image.astype(np.uint8, copy=False))

    def rewind(self) -> None:
        """Begin with the first picture again."""
        self._index = 0

    def close(self) -> None:
        """Nothing is held between two pictures."""


def pictures_of(directory: Path, pattern: str) -> list[Path]:
    """The pictures in ``directory`` (not below it) whose names match, sorted by name; raises SourceUnusable if there are none."""
    try:
        names = sorted(entry.name for entry in directory.iterdir() if entry.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise SourceUnusable(f"{directory}: {error.strerror}") from error
    found = [directory / name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise SourceUnusable(
            f"{directory}: none of its {len(names)} pictures matches {pattern!r}",
            hint=f"pictures end in {', '.join(sorted(SUFFIXES))}",
        )
    return found
