"""What every source shares: its lifetime, and how its frames are counted.

One thread reads; any thread may close. A native handle is never released while a read is inside it (OpenCV would use freed
memory), and ``close`` never waits for a read that hangs in a driver: whoever comes out of the lock last releases.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

from numpy.typing import NDArray

from edged.core.frame import Frame
from edged.sources.info import SourceInfo
from edged.sources.pixels import Image, as_bgr
from edged.sources.thinning import Thinning

__all__ = ["FrameSource", "Image"]


FIRST_WAITS = 4
"""For so many of its time-outs, of 2 s, a camera of this machine may be silent before its first picture: a grabber looks for a
signal, a sensor for its exposure. Opened anew it would begin anew. Together they are less than ``OPEN_DEVICE_S``, so that the
reader, who knows the reason, says it before the stall clock does."""


class FrameSource(ABC):
    """An open source of frames of one camera; ``first_seq`` is the number of its first frame.

    ``damaged`` counts what could not be decoded and ``late`` what was too old to be handed out; neither has a number.
    """

    def __init__(self, camera: str, info: SourceInfo, first_seq: int) -> None:
        self._camera = camera
        self._info = info
        self._seq = first_seq
        self.damaged = self.late = 0
        self._heard_ns = 0
        self._closed = threading.Event()
        self._busy = threading.Lock()

    @property
    def info(self) -> SourceInfo:
        """What the source turned out to be."""
        return self._info

    @property
    def heard_ns(self) -> int:
        """CLOCK_MONOTONIC when there last was a picture, also one that is left out; 0 before the first. For any thread."""
        return self._heard_ns

    def read(self) -> Frame | None:
        """The next frame; ``None`` when the recording ended or the source was closed.

        Raises CameraLost (opening again may mend it) or SourceUnusable (nothing but a person will).
        """
        try:
            with self._busy:
                frame = None if self._closed.is_set() else self._next()
        finally:
            if self._closed.is_set():
                self.close()  # the other thread's close() found the lock taken
        return None if self._closed.is_set() else frame

    def close(self) -> None:
        """End a read that waits, and release what is held; may be called again, and by any thread."""
        self._closed.set()
        if self._busy.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._busy.release()

    def thin(self, thinning: Thinning) -> bool:
        """Leave out from now on what ``thinning`` does not take, before it is decoded; False if that is left to the reader."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        """Frames until ``read`` gives ``None``."""
        return iter(self.read, None)

    @abstractmethod
    def _next(self) -> Frame | None:
        """As ``read``, with the lock held."""

    @abstractmethod
    def _release(self) -> None:
        """Give back what is held; called with the lock held, maybe more than once."""

    def _hear(self) -> None:
        """Note that there is a picture; for those that never become a frame."""
        self._heard_ns = time.monotonic_ns()

    def _frame(self, pixels: NDArray[Any], captured_ns: int, media_ns: int | None) -> Frame:
        """The next frame, of pixels in any layout that ``as_bgr`` knows."""
        self._hear()
        image = as_bgr(pixels)
        image.flags.writeable = False
        frame = Frame(self._camera, self._seq, captured_ns, image, media_ns)
        self._seq += 1
        return frame
