"""What can be said about where frames come from. Free of numpy: the main process reads it too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from edged.core.settings import settings
from edged.sources.picture_settings import PictureSettings, picture_problems
from edged.sources.stream_settings import StreamSettings, stream_problems

OPEN_DEVICE_S = 10.0
"""Seconds that opening a camera of this machine may take, and then its first picture: firmware is uploaded, a hub wakes up."""

Pace = Literal["realtime", "fast"]
"""Whether a recording is delivered at the speed of its own clock, or as fast as it is asked for."""


@settings
class FileSettings:
    """A recording: a video, a picture, or a directory of pictures in the order of their names."""

    path: Path
    """The video, the picture or the directory."""

    pace: Pace = "realtime"
    """"realtime" delivers each frame when it is due, "fast" as soon as it is asked for."""

    loop: bool = False
    """Begin again at the end. The clock of the recording runs on, it does not jump back."""

    pattern: Annotated[str, MinLen(1)] = "*"
    """Which pictures of a directory, by file name: "*" any, "door-*.jpg" those. Without meaning for a single file."""

    pictures_per_s: Annotated[float, Gt(0), Le(1000)] = 1.0
    """How fast pictures follow each other, since they carry no clock. Without meaning for a video."""


@settings
class V4l2Settings:
    """A camera of Video4Linux: USB (UVC) or whatever else has a capture node under /dev."""

    device: Annotated[int, Ge(0)] | Annotated[str, MinLen(1)]
    """An index (0 is /dev/video0) or a path. Paths below /dev/v4l/by-id survive a reboot and a change of the port."""

    width: Annotated[int, Ge(16), Le(8192)] = 640
    """Pixels across to ask for; the camera answers with the nearest that it has."""

    height: Annotated[int, Ge(16), Le(8192)] = 480
    """Pixels down to ask for."""

    fps: Annotated[float, Ge(1), Le(1000)] = 30.0
    """Frames per second to ask for. A camera that is silent for 2 s counts as lost, so none can be asked for less than 1."""

    pixel_format: Literal["MJPG", "YUYV"] | None = None
    """MJPG (compressed: more frames over USB) or YUYV (raw: less work for the CPU); unset leaves the choice to the driver."""


@settings
class LibcameraSettings:
    """A camera at the Pi's own connector (CSI), through picamera2, which Raspberry Pi OS has."""

    camera: Annotated[int, Ge(0)] | Annotated[str, MinLen(1)] = 0
    """An index or an id, as `edged camera list` shows them. An id stays right when a second camera is added."""

    width: Annotated[int, Ge(64), Le(8192)] = 1280
    """Pixels across to ask for; odd ones become even."""

    height: Annotated[int, Ge(64), Le(8192)] = 720
    """Pixels down to ask for; odd ones become even."""

    fps: Annotated[float, Ge(1), Le(1000)] = 30.0
    """Frames per second to ask for. A camera that is silent for 2 s counts as lost, so none can be asked for less than 1."""

    sensor_mode: tuple[Annotated[int, Ge(64), Le(16384)], Annotated[int, Ge(64), Le(16384)]] | None = None
    """Read the sensor in its mode of this width and height; `rpicam-hello --list-cameras` names them. Unset, libcamera takes one by
    the size asked for, which on some sensors shows only the middle of what the lens sees."""

    hflip: bool = False
    """Swap left and right in the sensor, at no cost."""

    vflip: bool = False
    """Swap top and bottom in the sensor, at no cost; with `hflip`, a camera that hangs upside down is turned."""

    exposure_us: Annotated[int, Ge(1), Le(1_000_000)] | None = None
    """A fixed exposure time in microseconds, cut to what a frame lasts; unset, the camera finds it."""

    gain: Annotated[float, Ge(1), Le(64)] | None = None
    """A fixed analogue gain; unset, the camera finds it."""

    awb: Literal["auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy"] | None = None
    """The light that white is balanced for; unset leaves it to the camera."""

    focus: Literal["continuous"] | Annotated[float, Ge(0), Le(32)] | None = None
    """"continuous", or a fixed distance in dioptres (1 / metres, 0 is infinity), for cameras whose lens moves."""


@settings
class SyntheticSettings:
    """Textured objects that move over a textured background: a source for trials without a camera, with known ground truth."""

    width: Annotated[int, Ge(64), Le(4096)] = 640
    """Pixels across."""

    height: Annotated[int, Ge(64), Le(4096)] = 480
    """Pixels down."""

    fps: Annotated[float, Gt(0), Le(1000)] = 15.0
    """Frames per second of the scene's clock."""

    objects: Annotated[int, Ge(0), Le(64)] = 3
    """How many objects move about."""

    seed: Annotated[int, Ge(0)] = 0
    """The same seed gives the same pixels."""

    pace: Pace = "realtime"
    """"realtime" delivers each frame when it is due, "fast" as soon as it is asked for."""

    frames: Annotated[int, Ge(1)] | None = None
    """End after so many frames; unset runs for ever."""


KINDS = ("file", "v4l2", "libcamera", "stream", "synthetic")
"""The fields of ``SourceSettings`` of which exactly one is set."""


@settings
class SourceSettings:
    """Where the frames of one camera come from, and how long it may be silent."""

    file: FileSettings | None = None
    """A recording."""

    v4l2: V4l2Settings | None = None
    """A Video4Linux camera."""

    libcamera: LibcameraSettings | None = None
    """A camera at the Pi's own connector."""

    stream: StreamSettings | None = None
    """A network camera."""

    synthetic: SyntheticSettings | None = None
    """A rendered scene."""

    picture: PictureSettings | None = None
    """Turned, cropped, masked, thinned; unset is the picture as it comes."""

    stall_after_s: Annotated[float, Gt(0), Le(3600)] = 5.0
    """Seconds without a frame after which the source counts as lost."""

    reopen_min_s: Annotated[float, Gt(0), Le(3600)] = 0.5
    """The shortest wait before a lost source is opened again."""

    reopen_max_s: Annotated[float, Gt(0), Le(3600)] = 30.0
    """The longest wait before a lost source is opened again; waits grow up to this, with jitter."""

    @property
    def open_within_s(self) -> float:
        """Seconds that opening may take before the source counts as silent."""
        if self.stream is not None:
            return max(self.stall_after_s, self.stream.open_within_s)
        return max(self.stall_after_s, OPEN_DEVICE_S) if self.v4l2 or self.libcamera else self.stall_after_s


def source_problems(settings: SourceSettings) -> tuple[str, ...]:
    """What is wrong with the combination of fields, one sentence each; empty if it can be used."""
    problems = []
    chosen = [kind for kind in KINDS if getattr(settings, kind) is not None]
    if len(chosen) != 1:
        found = " and ".join(chosen) or "none"
        problems.append(f"expected exactly one source of {', '.join(KINDS)}; found {found}")
    if settings.reopen_min_s > settings.reopen_max_s:
        problems.append(f"reopen_min_s ({settings.reopen_min_s:g}) is above reopen_max_s ({settings.reopen_max_s:g})")
    if settings.picture is not None:
        problems += picture_problems(settings.picture)
    if settings.stream is not None:
        problems.extend(stream_problems(settings.stream))
    return tuple(problems)


def describe_source(settings: SourceSettings) -> str:
    """The source in a few words."""
    if settings.file is not None:
        return f"file {settings.file.path}"
    if settings.v4l2 is not None:
        return f"v4l2 {settings.v4l2.device}"
    if settings.libcamera is not None:
        return f"libcamera {settings.libcamera.camera}"
    if settings.stream is not None:
        return f"stream {settings.stream.address}"
    return "synthetic"
