"""What a source turned out to be, once open. Free of numpy: it crosses to the main process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Size of the frames in pixels, their rate as negotiated (0 if the source does not say), and what it is in one line.

    ``live`` is whether frames are made by the world and not by the asking: what is not read in time is gone.
    """

    width: int
    height: int
    fps: float
    description: str
    live: bool
