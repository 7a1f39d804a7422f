"""A video file, decoded by FFmpeg within OpenCV."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edged.core.cv import cv2
from edged.core.errors import SourceUnusable
from edged.sources.base import Image
from edged.sources.recording import Picture

MAX_FRAME_PIXELS = 1 << 25
"""As OpenCV's own limit for pictures, which does not bind its video readers: about 100 MB once decoded."""

FALLBACK_FPS = 25.0
"""For streams that state neither a rate nor timestamps."""


class Video:
    """A ``Recording`` read from ``path``; raises SourceUnusable if it is no video that FFmpeg decodes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture = self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._fps = fps if 0 < fps <= 1000 else FALLBACK_FPS
        self._last_ns = -self._interval_ns

    @property
    def description(self) -> str:
        """The path."""
        return f"video {self._path}"

    @property
    def fps(self) -> float:
        """The rate that the container states."""
        return self._fps

    def next(self) -> Picture | None:
        """The next frame at its presentation time; ``None`` at the end, which a damaged file may reach early."""
        image = self._decode()
        if image is None:
            return None
        position_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        if position_ns <= self._last_ns:  # raw streams have no timestamps, broken ones repeat them
            position_ns = self._last_ns + self._interval_ns
        self._last_ns = position_ns
        return Picture(position_ns, image)

    def rewind(self) -> None:
        """Open again: seeking is inexact or impossible in some containers."""
        self._capture.release()
        self._capture = self._open()
        self._last_ns = -self._interval_ns

    def close(self) -> None:
        """Release the decoder."""
        self._capture.release()

    @property
    def _interval_ns(self) -> int:
        return round(1e9 / self._fps)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise SourceUnusable(
                f"{self._path}: no container or codec that FFmpeg knows, or damaged", hint=f"`ffprobe '{self._path}'` says more"
            )
        pixels = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if pixels > MAX_FRAME_PIXELS:
            capture.release()
            raise SourceUnusable(f"{self._path}: {pixels:.0f} pixels a frame, at most {MAX_FRAME_PIXELS} are accepted")
        return capture

    def _decode(self) -> Image | None:
        try:
            decoded, image = self._capture.read()
        except cv2.error as error:
            raise SourceUnusable(f"{self._path}: {error.err}") from error
        return image.astype(np.uint8, copy=False) if decoded else None
