"""A Video4Linux camera, read by OpenCV."""

from __future__ import annotations

import errno
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from edged.core.cv import cv2
from edged.core.errors import CameraLost, SourceUnusable
from edged.core.frame import Frame
from edged.core.holders import DAEMON, holders
from edged.sources.base import FIRST_WAITS, FrameSource
from edged.sources.devices import query_capability
from edged.sources.info import SourceInfo
from edged.sources.settings import V4l2Settings
from edged.sources.thinning import Thinning

BUFFERS = 2
"""Driver buffers: one fills while the other is decoded. More would only hold older frames."""

MAX_UNDECODABLE = 10
"""So many damaged frames in a row are passed over (cheap cameras send cut JPEGs now and then) before the camera counts as lost."""

MAX_AGE_NS = 5_000_000_000
"""A driver's timestamp older than this is on another clock than CLOCK_MONOTONIC."""

SILENT_S = 1.0
"""OpenCV does not say why it has no frame: after an error it answers at once, for a silent camera it waits out its time-out."""

NODE_GOES_S = 0.5
"""The stream of a camera that is pulled out ends some time before its node goes."""

LIST_HINT = "`v4l2-ctl --list-devices` names the cameras that the kernel sees"


class VideoCapture(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def grab(self) -> bool:
        """Take the next buffer of the driver."""

    def retrieve(self) -> tuple[bool, Any]:
        """Decode the buffer: whether it worked, and uint8 (height, width, 3)."""

    def get(self, propId: int) -> float:  # noqa: N803
        """A property, 0 or -1 where unknown."""

    def set(self, propId: int, value: float) -> bool:  # noqa: N803
        """Ask for a property."""

    def release(self) -> None:
        """Close the device."""


class V4l2Source(FrameSource):
    """Frames of the camera behind ``capture``, opened by ``open_v4l2``; ``device`` is its node."""

    def __init__(self, camera: str, capture: VideoCapture, device: Path, settings: V4l2Settings, first_seq: int) -> None:
        super().__init__(camera, negotiate(capture, device, settings), first_seq)
        self._capture = capture
        self._device = device
        self._thinning = Thinning(every=1, max_fps=None)

    def thin(self, thinning: Thinning) -> bool:
        """As ``FrameSource.thin``: what is left out is given back to the driver unseen."""
        self._thinning = thinning
        return True

    def _next(self) -> Frame | None:
        try:
            for _ in range(MAX_UNDECODABLE):
                if (captured_ns := self._grab()) is None:
                    return None
                decoded, image = self._capture.retrieve()
                if decoded:
                    return self._frame(image, captured_ns, None)
                self.damaged += 1
        except cv2.error as error:
            raise self._lost(f"OpenCV: {error.err}") from error
        raise self._lost(f"{MAX_UNDECODABLE} frames in a row cannot be decoded")

    def _grab(self) -> int | None:
        """Take the next wanted buffer of the driver; its time of capture, or ``None`` if the source was closed meanwhile."""
        while not self._closed.is_set():
            if not self._wait():
                return None
            captured_ns = capture_time_ns(self._capture.get(cv2.CAP_PROP_POS_MSEC), time.monotonic_ns())
            if self._thinning.takes(captured_ns):
                return captured_ns
        return None

    def _wait(self) -> bool:
        """Wait for a buffer; False if the source was closed meanwhile."""
        asked_s = time.monotonic()
        for _ in range(1 if self.heard_ns else FIRST_WAITS):
            began_s = time.monotonic()
            if self._capture.grab():
                self._hear()
                return True
            if time.monotonic() - began_s <= SILENT_S:
                self._see_it_go()
                raise self._lost("stopped with an error")
            if self._closed.is_set():
                return False
        raise self._lost(f"no frame in {time.monotonic() - asked_s:.1f} s")

    def _see_it_go(self) -> None:
        """Give the node of a camera that was pulled out time to vanish."""
        until_s = time.monotonic() + NODE_GOES_S
        while self._device.exists() and time.monotonic() < until_s and not self._closed.wait(NODE_GOES_S / 20):
            pass

    def _lost(self, reason: str) -> CameraLost:
        if not self._device.exists():
            return CameraLost(f"{self._device} is gone", hint="was it unplugged?")
        hint = "a weak power supply or USB cable is the usual cause; `dmesg` says more"
        return CameraLost(f"{self._device}: {reason}", hint=hint)

    def _release(self) -> None:
        self._capture.release()


def open_v4l2(camera: str, settings: V4l2Settings, first_seq: int) -> V4l2Source:
    """Open and negotiate; raises CameraLost (absent, busy, no permission) or SourceUnusable (no camera)."""
    device = device_path(settings.device)
    require_camera(device)
    capture = cv2.VideoCapture(str(device.resolve()), cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise _unopened(device, holders(device))
    return V4l2Source(camera, capture, device, settings, first_seq)


def _unopened(device: Path, others: Sequence[str]) -> CameraLost:
    """``others`` may be empty although somebody has it: another user's processes are not shown to us."""
    hint = f"one program at a time can use a camera: `sudo fuser -v {device}` names it"
    if any(other.startswith(f"{DAEMON} ") for other in others):
        hint = "one program at a time can use a camera: stop the daemon meanwhile, `sudo systemctl stop edged`"
    return CameraLost(f"{device} cannot be opened" + (f", it is held by {', '.join(others)}" if others else ""), hint=hint)


def device_path(device: int | str) -> Path:
    """The node of an index, or the path itself."""
    return Path(f"/dev/video{device}") if isinstance(device, int) else Path(device)


def require_camera(device: Path) -> None:
    """Say why ``device`` cannot be a camera for us, as far as one can tell before OpenCV tries: OpenCV says nothing."""
    try:
        if not stat.S_ISCHR(device.stat().st_mode):
            raise SourceUnusable(f"{device} is no device", hint=LIST_HINT)
        capability = query_capability(device)
    except PermissionError as error:
        # No SourceUnusable: udev sets the group a moment after a hot-plugged node appears.
        raise CameraLost(f"{device}: permission denied", hint="add the user of the daemon to the group `video`") from error
    except OSError as error:
        if error.errno in {errno.ENOTTY, errno.EINVAL}:
            raise SourceUnusable(f"{device} is no Video4Linux device", hint=LIST_HINT) from error
        raise CameraLost(f"{device}: {error.strerror}", hint=f"is it plugged in? {LIST_HINT}") from error
    if not capability.captures:
        raise SourceUnusable(f"{device} ({capability.card}) captures no pictures", hint=f"take another node: {LIST_HINT}")


def negotiate(capture: VideoCapture, device: Path, settings: V4l2Settings) -> SourceInfo:
    """Ask for format, size, rate and buffers; the camera answers with what it has, which is returned."""
    if settings.pixel_format is not None:  # first: the sizes that a camera offers depend on it
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*settings.pixel_format))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)
    width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    rate = capture.get(cv2.CAP_PROP_FPS)
    fps = max(0.0, rate)
    fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).decode("ascii", "replace").rstrip("\0 ")
    got = f"{width}x{height} {fourcc}" + (f" at {fps:g} fps" if fps else "")
    return SourceInfo(width, height, fps, f"{device} {got}{_refused(settings, (width, height), fourcc)}", live=True)


def _refused(settings: V4l2Settings, size: tuple[int, int], fourcc: str) -> str:
    """The size and format that were asked for and not given; a rate a little off is no news."""
    wishes = {f"{settings.width}x{settings.height}": size == (settings.width, settings.height)}
    if settings.pixel_format is not None:
        wishes[settings.pixel_format] = fourcc == settings.pixel_format
    refused = " ".join(wish for wish, granted in wishes.items() if not granted)
    return f" (asked for {refused})" if refused else ""


def capture_time_ns(driver_ms: float, now_ns: int) -> int:
    """The driver's timestamp if it can be CLOCK_MONOTONIC of a frame just captured, else ``now_ns``."""
    driver_ns = round(driver_ms * 1e6)
    return driver_ns if 0 <= now_ns - driver_ns < MAX_AGE_NS else now_ns
