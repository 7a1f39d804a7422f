"""A source that plays a script: frames, stalls, losses and the end, in the order that a test wants.

``Script.open`` stands in for ``edged.sources.open.open_source``. The script goes on where it was when a lost source is opened
again, so that one script tells the whole story of a camera.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import CameraLost, SourceUnusable
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.info import SourceInfo
from edged.sources.settings import SourceSettings


@dataclass(frozen=True, slots=True, eq=False)
class Deliver:
    """Deliver ``image``, uint8 (height, width, 3) BGR; at ``media_ns`` of a recording, or ``None`` as a camera does."""

    image: NDArray[np.uint8]
    media_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """Hang in ``read`` until the source is closed."""


@dataclass(frozen=True, slots=True)
class Lose:
    """Raise ``error`` from ``read``."""

    error: CameraLost | SourceUnusable


@dataclass(frozen=True, slots=True)
class Refuse:
    """Raise ``error`` from the next ``open``."""

    error: CameraLost | SourceUnusable


@dataclass(frozen=True, slots=True)
class Announce:
    """What is sent from now on, as a stream tells that changes its resolution."""

    info: SourceInfo


Step = Deliver | Stall | Lose | Refuse | Announce


class Script:
    """The steps of one camera; where they are over, the recording ends.

    ``opened`` counts the calls of ``open``. ``stalled`` is set while a read hangs, for tests that wait for it.
    """

    def __init__(self, steps: Iterable[Step], info: SourceInfo | None = None) -> None:
        self.steps = deque(steps)
        self.info = info or SourceInfo(width=64, height=48, fps=30.0, description="script", live=True)
        self.opened = 0
        self.stalled = threading.Event()

    def open(self, camera: str, _settings: SourceSettings, first_seq: int = 0) -> ScriptedSource:
        """A source that plays on from the current step; raises what a ``Refuse`` there says."""
        self.opened += 1
        if self.steps and isinstance(step := self.steps[0], Refuse):
            self.steps.popleft()
            raise step.error
        return ScriptedSource(camera, self, first_seq)


class ScriptedSource(FrameSource):
    """Made by ``Script.open``."""

    def __init__(self, camera: str, script: Script, first_seq: int) -> None:
        super().__init__(camera, script.info, first_seq)
        self._script = script

    def _next(self) -> Frame | None:
        if not self._script.steps:
            return None
        match self._script.steps.popleft():
            case Deliver(image, media_ns):
                return self._frame(image.copy(), time.monotonic_ns(), media_ns)
            case Stall():
                self._script.stalled.set()
                self._closed.wait()
                self._script.stalled.clear()
                return None
            case Lose(error):
                raise error
            case Announce(info):
                self._info = info
                return self._next()
            case Refuse():
                raise AssertionError("the script refuses to open a source that is open")

    def _release(self) -> None:
        """Nothing is held."""
