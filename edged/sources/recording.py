"""Frames of something that has a clock of its own: a video, pictures, a rendered scene."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from edged.core.errors import SourceUnusable
from edged.core.frame import Frame
from edged.sources.base import FrameSource, Image
from edged.sources.info import SourceInfo
from edged.sources.pace import Pacer
from edged.sources.settings import Pace


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One frame of a recording, ``position_ns`` after its begin; positions grow strictly from frame to frame."""

    position_ns: int
    image: Image


class Recording(Protocol):
    """What can be played. One thread at a time uses it."""

    @property
    def description(self) -> str:
        """What it is, in one line."""

    @property
    def fps(self) -> float:
        """Nominal frames per second."""

    def next(self) -> Picture | None:
        """The next frame, ``None`` at the end; raises SourceUnusable."""

    def rewind(self) -> None:
        """Go back to the begin; raises SourceUnusable."""

    def close(self) -> None:
        """Release what is held; may be called again."""


class RecordingSource(FrameSource):
    """Plays a recording, once or in a loop over which the positions go on growing.

    With ``live`` it poses as a camera: its frames carry no position. Opening decodes the first frame, so that what cannot be
    decoded is refused at once: raises SourceUnusable.
    """

    def __init__(self, camera: str, recording: Recording, *, pace: Pace, loop: bool, live: bool, first_seq: int) -> None:
        self._recording = recording
        self._pending = recording.next()
        if self._pending is None:
            recording.close()
            raise SourceUnusable(f"{recording.description} holds no frames")
        height, width = self._pending.image.shape[:2]
        super().__init__(camera, SourceInfo(width, height, recording.fps, recording.description, live), first_seq)
        self._pacer = Pacer(self._closed) if pace == "realtime" else None
        self._loop = loop
        self._offset_ns = 0
        self._last_ns = 0

    def _next(self) -> Frame | None:
        picture, self._pending = self._pending or self._recording.next(), None
        if picture is None and self._loop:
            self._recording.rewind()
            self._offset_ns = self._last_ns + round(1e9 / self._recording.fps)
            picture = self._recording.next()
        if picture is None:
            return None
        self._last_ns = self._offset_ns + picture.position_ns
        if self._pacer is not None:
            self._pacer.wait(self._last_ns)
        return self._frame(picture.image, time.monotonic_ns(), None if self._info.live else self._last_ns)

    def _release(self) -> None:
        self._pending = None
        self._recording.close()
