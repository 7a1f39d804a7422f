"""picamera2 and libcamera as their documentation describes them, without a Pi.

``modules`` gives stand-ins for ``sys.modules``. They refuse what the real ones refuse, in the same words where a caller may see
them: a second opener, a configuration while started, unknown controls and stream keys, the use of a released request. Requests
that are not given back starve the camera, and a job that timed out takes the next frame unless it is cancelled.
"""

from __future__ import annotations

import enum
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

STREAM_KEYS = {"format", "size", "stride", "preserve_ar"}
LAYOUTS: dict[str, Callable[[Image], Image]] = {
    "RGB888": lambda rgb: rgb[:, :, ::-1],
    "BGR888": lambda rgb: rgb,
    "XBGR8888": lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]),
}
"""How a format lies in memory: the names count from the highest byte down."""

AGE_NS = 5_000_000
"""Between the exposure of a frame and its delivery."""


class AwbModeEnum(enum.IntEnum):
    """libcamera.controls.AwbModeEnum."""

    Auto, Incandescent, Tungsten, Fluorescent, Indoor, Daylight, Cloudy, Custom = range(8)


class AfModeEnum(enum.IntEnum):
    """libcamera.controls.AfModeEnum."""

    Manual, Auto, Continuous = range(3)


@dataclass(frozen=True, slots=True)
class Transform:
    """libcamera.Transform."""

    hflip: bool = False
    vflip: bool = False


@dataclass(slots=True)
class Sensor:
    """A camera at the connector. ``frames`` are what it will see, in RGB; ``None`` is a silence that only a time-out ends.

    ``fastest_us`` is the shortest duration of a frame; ``clock`` the one that stamps them.
    """

    frames: Iterable[Image | None] = ()
    id: str = "/base/soc/i2c0mux/i2c@1/imx708@1a"
    model: str = "imx708"
    size: tuple[int, int] = (4608, 2592)
    fastest_us: int = 8333
    clock: int = time.CLOCK_BOOTTIME
    controls: set[str] = field(
        default_factory=lambda: {"FrameDurationLimits", "ExposureTime", "AnalogueGain", "AwbMode", "AfMode", "LensPosition"}
    )
    busy: bool = False
    opened: int = 0
    set_controls: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frames = deque(self.frames)


class Request:
    """picamera2.request.CompletedRequest."""

    def __init__(self, camera: Camera, rgb: Image) -> None:
        self._camera = camera
        self._rgb: Image | None = rgb
        clock = time.clock_gettime_ns(camera.sensor.clock)
        self._metadata = {"SensorTimestamp": clock - AGE_NS, "ExposureTime": 9000}

    def get_metadata(self) -> dict[str, Any]:
        """What the camera says about the frame."""
        assert self._rgb is not None, "released"
        return self._metadata

    def make_array(self, name: str) -> Image:
        """A copy of the stream's pixels."""
        if self._rgb is None or name != "main":
            raise RuntimeError(f"Stream {name!r} is not defined")
        transform, stream = self._camera.sensor.configuration["transform"], self._camera.sensor.configuration["main"]
        width, height = stream["size"]
        rgb = np.resize(self._rgb, (height, width, 3)) if self._rgb.shape != (height, width, 3) else self._rgb
        rgb = rgb[:, ::-1] if transform.hflip else rgb
        rgb = rgb[::-1] if transform.vflip else rgb
        return LAYOUTS[stream["format"]](rgb).copy()

    def release(self) -> None:
        """Give the buffer back."""
        if self._rgb is None:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        self._rgb = None
        self._camera.out -= 1


class Camera:
    """picamera2.Picamera2, bound to ``sensors`` by a subclass. ``out`` counts requests that were not released."""

    sensors: list[Sensor] = []  # noqa: RUF012

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        """What is connected."""
        return [{"Model": s.model, "Location": 2, "Rotation": 180, "Id": s.id, "Num": n} for n, s in enumerate(cls.sensors)]

    def __init__(self, camera_num: int = 0) -> None:
        self.is_open = False
        notifyme_r, self.notifyme_w = os.pipe2(os.O_NONBLOCK)
        os.close(notifyme_r)  # the real one leaves that end to the garbage collector
        if camera_num >= len(self.sensors):
            raise RuntimeError(f"No camera number {camera_num} found")
        self.sensor = self.sensors[camera_num]
        if self.sensor.busy:
            try:
                raise RuntimeError("Failed to acquire camera: Device or resource busy")
            except RuntimeError as error:
                raise RuntimeError("Camera __init__ sequence did not complete.") from error
        self.sensor.busy = self.is_open = True
        self.sensor.opened += 1
        self.started = False
        self.out = 0
        self._abandoned = 0

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        """(least, greatest, default) of each control."""
        limits = dict.fromkeys(self.sensor.controls, (0, 100, 0))
        return {**limits, "FrameDurationLimits": (self.sensor.fastest_us, 120_000_000, 33_333)}

    def create_video_configuration(
        self,
        *,
        main: dict[str, Any] | None = None,
        raw: dict[str, Any] | None = None,
        transform: Transform = Transform(),
        buffer_count: int = 6,
        controls: dict[str, Any] | None = None,
        queue: bool = True,
    ) -> dict[str, Any]:
        """A configuration, even sizes only."""
        for stream in (main or {}, raw or {}):
            for key in stream.keys() - STREAM_KEYS:
                raise ValueError(f"Bad key {key!r}: valid stream configuration keys are {STREAM_KEYS}")
        stream = {"format": "XBGR8888", "size": (1280, 720), **(main or {})}
        stream["size"] = tuple(side - side % 2 for side in stream["size"])
        return {
            "main": stream,
            "raw": {"size": stream["size"], **(raw or {})},
            "transform": transform,
            "buffer_count": buffer_count,
            "controls": controls or {},
            "queue": queue,
        }

    def configure(self, camera_config: dict[str, Any]) -> None:
        """Take a configuration; what the sensor does not have is adjusted to what it has."""
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        main = camera_config["main"]
        if main["format"] not in LAYOUTS:
            raise RuntimeError(f"Bad format {main['format']} in stream main")
        if not isinstance(camera_config["transform"], Transform):
            raise RuntimeError("Transform has incorrect type")
        for name in camera_config["controls"].keys() - self.sensor.controls:
            raise RuntimeError(f"Control {name} is not advertised by libcamera")
        size = tuple(min(pair) for pair in zip(main["size"], self.sensor.size, strict=True))
        self.sensor.configuration = {**camera_config, "main": {**main, "size": size}}

    def camera_configuration(self) -> dict[str, Any]:
        """The configuration as it was taken."""
        return self.sensor.configuration

    def start(self) -> None:
        """Begin to deliver."""
        if not self.sensor.configuration:
            raise RuntimeError("Camera has not been configured")
        self.sensor.set_controls = dict(self.sensor.configuration["controls"])
        self.started = True

    def capture_request(self, wait: float | bool | None = None) -> Request:
        """The next frame; what keeps frames from coming lets the time-out pass at once."""
        assert wait is not None and wait is not True, "nothing would end this wait"
        frames = self.sensor.frames
        assert isinstance(frames, deque)
        while True:
            starved = not self.started or self.out >= self.sensor.configuration["buffer_count"] - 1  # one is being filled
            if starved or not frames or (rgb := frames.popleft()) is None:
                self._abandoned += 1
                raise TimeoutError
            self.out += 1
            if not self._abandoned:
                return Request(self, rgb)
            self._abandoned -= 1

    def cancel_all_and_flush(self) -> None:
        """Forget the jobs that nobody waits for any more."""
        self._abandoned = 0

    def close(self) -> None:
        """Stop, and let others have the camera."""
        if self.is_open:
            self.started = self.is_open = self.sensor.busy = False
            os.close(self.notifyme_w)


def modules(sensors: list[Sensor]) -> dict[str, ModuleType]:
    """What to put into ``sys.modules`` for a machine with these cameras."""
    picamera2, libcamera = ModuleType("picamera2"), ModuleType("libcamera")
    picamera2.Picamera2 = type("Picamera2", (Camera,), {"sensors": sensors})  # type: ignore[attr-defined]
    libcamera.Transform = Transform  # type: ignore[attr-defined]
    libcamera.controls = ModuleType("controls")  # type: ignore[attr-defined]
    libcamera.controls.AwbModeEnum, libcamera.controls.AfModeEnum = AwbModeEnum, AfModeEnum
    return {"picamera2": picamera2, "libcamera": libcamera}
