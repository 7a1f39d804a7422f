"""A camera at the Pi's own connector (CSI), read through picamera2. The only file that knows picamera2 and libcamera.

API: "The Picamera2 Library" (datasheets.raspberrypi.com/camera/picamera2-manual.pdf), read beside the source of 0.3.38.

Rules: every wait has a bound; every request is released, since the camera stops when all its buffers are out; a job that timed out
is cancelled, or it would take a later frame and keep it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edged.core.errors import CameraLost, SourceUnusable
from edged.core.frame import Frame
from edged.sources.base import FIRST_WAITS, FrameSource
from edged.sources.info import SourceInfo
from edged.sources.settings import LibcameraSettings
from edged.sources.thinning import Thinning

log = logging.getLogger("edged.sources")

FORMAT = "RGB888"
"""libcamera names formats as DRM does, from the highest byte down: in memory, and in numpy, this one is blue, green, red."""

BUFFERS = 4
"""One fills, one is the latest, one is being copied; one more for a reader that is late. Each takes contiguous memory."""

SILENT_S = 2.0
"""A camera that gives no frame for so long has stopped; libcamera does not tell."""

MAX_AGE_NS = 5_000_000_000
"""A timestamp older than this is on another clock than it seems."""

INSTALL_HINT = "`sudo apt install python3-picamera2`, and a venv made with --system-site-packages, in which it can be seen"
CONFLICT_HINT = "`pip install --upgrade simplejpeg` beside edged: the system's was built for an older numpy"
BUSY_HINT = "one program at a time can use a camera: stop rpicam-hello, or the daemon (`systemctl stop edged`)"


@dataclass(frozen=True, slots=True)
class LibcameraCamera:
    """A camera as libcamera lists it; either ``index`` or ``id`` names it in a configuration."""

    index: int
    id: str
    model: str


class LibcameraSource(FrameSource):
    """Frames of ``handle``, a started ``picamera2.Picamera2``."""

    def __init__(self, camera: str, handle: Any, name: str, info: SourceInfo, first_seq: int) -> None:
        super().__init__(camera, info, first_seq)
        self._handle = handle
        self._name = name
        self._thinning = Thinning(every=1, max_fps=None)

    def thin(self, thinning: Thinning) -> bool:
        """As ``FrameSource.thin``: what is left out is given back to the camera without a copy."""
        self._thinning = thinning
        return True

    def _next(self) -> Frame | None:
        while not self._closed.is_set():
            with _translated(self._name):
                if (request := self._request()) is None:
                    return None
                self._hear()
                try:
                    captured_ns = sensor_time_ns(request.get_metadata().get("SensorTimestamp", 0))
                    pixels = request.make_array("main") if self._thinning.takes(captured_ns) else None
                finally:
                    request.release()
            if pixels is not None:
                return self._frame(pixels, captured_ns, None)
        return None

    def _request(self) -> Any:
        """The next frame, or ``None`` if the source was closed meanwhile."""
        waits = 1 if self.heard_ns else FIRST_WAITS
        for _ in range(waits):
            try:
                return self._handle.capture_request(wait=SILENT_S)
            except TimeoutError:
                self._handle.cancel_all_and_flush()
            if self._closed.is_set():
                return None
        hint = "a loose ribbon cable is the usual cause; `dmesg` says more"
        raise CameraLost(f"{self._name}: no frame in {waits * SILENT_S:g} s", hint=hint)

    def _release(self) -> None:
        try:
            self._handle.close()  # ends its thread before it stops the camera; stop() first would wait behind a stuck job
        except (RuntimeError, OSError) as error:
            log.warning("%s cannot be closed: %s", self._name, _reason(error))


def open_libcamera(camera: str, settings: LibcameraSettings, first_seq: int) -> LibcameraSource:
    """Open, configure and start; raises CameraLost (absent, busy) or SourceUnusable (no picamera2, a control it does not have)."""
    picamera2, libcamera = load_picamera2()
    chosen = _chosen(settings.camera)
    name = f"libcamera camera {chosen.index} ({chosen.model})"
    with _translated(name):
        handle = _opened(picamera2, chosen.index)
        try:
            info = _configured(handle, libcamera, settings, name)
            handle.start()
        except BaseException:
            handle.close()
            raise
    return LibcameraSource(camera, handle, name, info, first_seq)


def list_libcamera() -> tuple[LibcameraCamera, ...]:
    """The cameras that libcamera sees, USB cameras left out (Video4Linux reads them); raises SourceUnusable without picamera2."""
    picamera2, _ = load_picamera2()
    with _translated("libcamera"):
        found = picamera2.Picamera2.global_camera_info()
    cameras = [LibcameraCamera(index, info["Id"], info.get("Model", "")) for index, info in enumerate(found)]
    return tuple(camera for camera in cameras if "/usb" not in camera.id)


def load_picamera2() -> tuple[Any, Any]:
    """The modules picamera2 and libcamera; raises SourceUnusable where they are not installed, or not for this Python."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # it would tell its version at each opening
    logging.getLogger("picamera2").setLevel(logging.CRITICAL)  # what it logs it also raises
    try:
        import libcamera
        import picamera2
    except ImportError as error:
        raise SourceUnusable(f"cameras at the CSI connector need picamera2: {error}", hint=INSTALL_HINT) from error
    except ValueError as error:  # "numpy.dtype size changed": simplejpeg of Debian 12, with the numpy that edged needs
        raise SourceUnusable(f"picamera2 does not fit this environment: {error}", hint=CONFLICT_HINT) from error
    return picamera2, libcamera


def sensor_time_ns(timestamp_ns: int) -> int:
    """A sensor's timestamp as CLOCK_MONOTONIC, or now if it cannot be a frame just captured.

    libcamera documents CLOCK_BOOTTIME, which also counts suspension; drivers of the Pi stamp CLOCK_MONOTONIC.
    """
    for clock in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC):
        age_ns = time.clock_gettime_ns(clock) - timestamp_ns
        if 0 <= age_ns < MAX_AGE_NS:
            return time.monotonic_ns() - age_ns
    return time.monotonic_ns()


def _chosen(wanted: int | str) -> LibcameraCamera:
    found = list_libcamera()
    for camera in found:
        if wanted in {camera.index, camera.id}:
            return camera
    names = ", ".join(f"{camera.index} ({camera.model})" for camera in found)
    raise CameraLost(
        f"libcamera sees no camera {wanted}, {f'only {names}' if found else 'nor any other'}",
        hint="check the ribbon cable at both ends, with the power off; `rpicam-hello --list-cameras` should show it",
    )


def _opened(picamera2: Any, index: int) -> Any:
    """``Picamera2(index)``. Where its constructor fails it leaves a pipe open, and a busy camera is tried for days."""
    handle = picamera2.Picamera2.__new__(picamera2.Picamera2)
    try:
        handle.__init__(index)
    except RuntimeError:
        pipe = getattr(handle, "notifyme_w", None)  # older versions have none
        if pipe is not None and not handle.is_open:  # an open one closes itself
            os.close(pipe)
        raise
    return handle


def _configured(handle: Any, libcamera: Any, settings: LibcameraSettings, name: str) -> SourceInfo:
    """Configure the camera and say what it answered with."""
    controls = _controls(libcamera, settings)
    if missing := [control for control in controls if control not in handle.camera_controls]:
        raise SourceUnusable(f"{name} has no control {', '.join(missing)}", hint="leave out the setting that asks for it")
    sensor = {} if settings.sensor_mode is None else {"raw": {"size": settings.sensor_mode}}
    configuration = handle.create_video_configuration(
        main={"size": (settings.width, settings.height), "format": FORMAT},
        transform=libcamera.Transform(hflip=settings.hflip, vflip=settings.vflip),
        buffer_count=BUFFERS,
        controls=controls,
        queue=True,  # the latest frame is kept for us: we wait for none that is there already
        **sensor,
    )
    handle.configure(configuration)
    main = handle.camera_configuration()["main"]
    if main["format"] != FORMAT:
        raise SourceUnusable(f"{name} gives {main['format']}, not {FORMAT}", hint="read a USB camera through [cameras.NAME.v4l2]")
    width, height = main["size"]
    fastest_us = handle.camera_controls["FrameDurationLimits"][0]
    fps = min(settings.fps, 1e6 / fastest_us) if fastest_us else settings.fps
    asked = "" if (width, height) == (settings.width, settings.height) else f" (asked for {settings.width}x{settings.height})"
    return SourceInfo(width, height, fps, f"{name} {width}x{height} at {fps:g} fps{asked}", live=True)


def _controls(libcamera: Any, settings: LibcameraSettings) -> dict[str, Any]:
    """The settings as libcamera's controls; what is unset is left to the camera."""
    duration_us = round(1e6 / settings.fps)
    controls: dict[str, Any] = {"FrameDurationLimits": (duration_us, duration_us)}
    if settings.exposure_us is not None:
        controls["ExposureTime"] = settings.exposure_us
    if settings.gain is not None:
        controls["AnalogueGain"] = settings.gain
    if settings.awb is not None:
        controls["AwbMode"] = getattr(libcamera.controls.AwbModeEnum, settings.awb.capitalize())
    if settings.focus == "continuous":
        controls["AfMode"] = libcamera.controls.AfModeEnum.Continuous
    elif settings.focus is not None:
        controls["AfMode"], controls["LensPosition"] = libcamera.controls.AfModeEnum.Manual, float(settings.focus)
    return controls


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """picamera2 raises RuntimeError for all that goes wrong, and OSError for what the kernel refuses."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise CameraLost(
            f"{name}: {_reason(error)}", hint=BUSY_HINT if "busy" in _reason(error) else "`dmesg` says more"
        ) from error


def _reason(error: BaseException) -> str:
    """What the first of the errors said that led to ``error``."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
