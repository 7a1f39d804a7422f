"""One picture of a camera, as the daemon would see it."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edged.core.cv import cv2
from edged.core.durable import replace_file
from edged.core.errors import CameraLost, EdgedError, OutputUnwritable
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.info import SourceInfo
from edged.sources.settings import SourceSettings

SETTLING_NS = 1_000_000_000
"""A camera's first pictures are dark or green until its exposure and white balance are found."""

ENCODINGS = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 92], ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 92], ".png": []}

OLD_S = 1.0
DARK = 12.0
"""Mean of the pixels, of 255, below which there is nothing to see."""

UNIFORM = 3.0
"""Standard deviation of the pixels below which a picture is one surface."""


RELEASE_S = 5.0
"""How long letting go of a camera may take. Native code that still runs while the interpreter ends aborts the process."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A frame, what it came from, and how old it was when it came."""

    frame: Frame
    info: SourceInfo
    age_s: float

    def warnings(self) -> list[str]:
        """What a person should know who relies on it."""
        found = []
        mean, deviation = (float(value.mean()) for value in cv2.meanStdDev(self.frame.image))
        if self.age_s > OLD_S:
            found.append(f"the picture was {self.age_s:.1f} s old when it came: the camera or the way from it is slow")
        if mean < DARK:
            found.append("the picture is nearly black: is it dark, is the lens covered, does a mask cover all?")
        elif deviation < UNIFORM:
            found.append("the picture shows one even surface: does the camera work?")
        return found


def take(
    open_source: Callable[[str, SourceSettings], FrameSource], camera: str, settings: SourceSettings, *, timeout_s: float
) -> Snapshot:
    """One picture of ``settings``, masked, turned and cropped as they say; a live camera is given time to settle.

    Raises CameraLost or SourceUnusable; CameraLost too if nothing came in ``timeout_s``, though a driver may hang for ever.
    """
    if settings.picture is not None:
        settings = dataclasses.replace(settings, picture=dataclasses.replace(settings.picture, max_fps=None, every=1))
    outcome: queue.Queue[Snapshot | EdgedError] = queue.Queue(1)
    opened: list[FrameSource] = []

    def look() -> None:
        try:
            with open_source(camera, settings) as source:
                opened.append(source)
                outcome.put(_settled(source))
        except EdgedError as error:
            outcome.put(error)

    thread = threading.Thread(target=look, name="snapshot", daemon=True)  # one that hangs must not hold up the exit
    thread.start()
    try:
        found = outcome.get(timeout=timeout_s)
    except queue.Empty:
        for source in opened:
            source.close()
        thread.join(RELEASE_S)
        raise CameraLost(f"{camera}: no picture in {timeout_s:g} s", hint="`edged camera list` shows who else holds it") from None
    thread.join(RELEASE_S)
    if isinstance(found, EdgedError):
        raise found
    return found


def _settled(source: FrameSource) -> Snapshot:
    first = latest = None
    age_s = 0.0
    while (frame := source.read()) is not None:
        first, latest = first or frame, frame
        age_s = (time.monotonic_ns() - frame.captured_ns) / 1e9
        if not source.info.live or frame.captured_ns - first.captured_ns >= SETTLING_NS:
            break
    if latest is None:
        raise CameraLost(f"{source.info.description}: ended before its first picture")
    return Snapshot(latest, source.info, age_s)


def require_encoding(path: Path) -> None:
    """Say before a camera is opened that ``path`` is no name for a picture; raises OutputUnwritable."""
    if path.suffix.lower() not in ENCODINGS:
        raise OutputUnwritable(f"{path}: unknown kind of picture", hint=f"use one of {', '.join(ENCODINGS)}")


def write(path: Path, frame: Frame) -> int:
    """Encode as the suffix says and write durably; the bytes written. Raises OutputUnwritable."""
    require_encoding(path)
    _, encoded = cv2.imencode(path.suffix.lower(), frame.image, ENCODINGS[path.suffix.lower()])
    try:
        replace_file(path, encoded.tobytes())
    except OSError as error:
        raise OutputUnwritable(f"{path}: {error.strerror}", hint="name a file that can be written") from error
    return int(encoded.nbytes)
