"""Which Video4Linux cameras the kernel has, and what a device node says of itself.

Formats: /sys/class/video4linux of the Linux kernel; ``struct v4l2_capability`` and VIDIOC_QUERYCAP of linux/videodev2.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CAPABILITY = struct.Struct("16s32s32sIII12x")  # driver, card, bus_info, version, capabilities, device_caps, reserved
_VIDIOC_QUERYCAP = 0x8068_5600  # _IOR('V', 0, struct v4l2_capability)
_CAP_VIDEO_CAPTURE = 0x0000_0001
_CAP_VIDEO_CAPTURE_MPLANE = 0x0000_1000
_CAP_DEVICE_CAPS = 0x8000_0000

PROCESSORS = frozenset({"bcm2835-isp", "pispbe"})
"""Drivers of the Pi whose nodes process pictures from memory although they claim to capture."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What VIDIOC_QUERYCAP tells about one node: ``captures`` is false for metadata, output and codec nodes."""

    driver: str
    card: str
    bus: str
    captures: bool

    @classmethod
    def parse(cls, data: bytes) -> Capability:
        """From the 104 bytes of a ``struct v4l2_capability``; raises struct.error for any other length."""
        driver, card, bus, _version, of_device, of_node = _CAPABILITY.unpack(data)
        name = _text(driver)
        # A device has several nodes: with CAP_DEVICE_CAPS the node's own word counts, not that of the whole device.
        bits = of_node if of_device & _CAP_DEVICE_CAPS else of_device
        captures = bool(bits & (_CAP_VIDEO_CAPTURE | _CAP_VIDEO_CAPTURE_MPLANE)) and name not in PROCESSORS
        return cls(name, _text(card), _text(bus), captures)


@dataclass(frozen=True, slots=True)
class V4l2Camera:
    """A capture node, and whether we may open it. ``by_id`` is the name that survives a reboot, where udev gave one."""

    device: Path
    by_id: Path | None
    name: str
    accessible: bool


def query_capability(device: Path) -> Capability:
    """Ask the node; raises OSError (ENOTTY or EINVAL if it is no Video4Linux device)."""
    fd = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return Capability.parse(fcntl.ioctl(fd, _VIDIOC_QUERYCAP, bytes(_CAPABILITY.size)))
    finally:
        os.close(fd)


def list_cameras(root: Path = Path("/"), query: Callable[[Path], Capability] = query_capability) -> tuple[V4l2Camera, ...]:
    """The capture nodes below ``root`` (its sys and dev), by number; metadata, output and codec nodes are left out."""
    nodes = sorted((root / "sys/class/video4linux").glob("video[0-9]*"), key=lambda node: int(node.name.removeprefix("video")))
    names = _names_by_id(root)
    cameras = []
    for node in nodes:
        device = root / "dev" / node.name
        try:
            capability = query(device)
        except PermissionError:
            if _sysfs(node / "index") == "0":  # the first node of a device is the one that captures
                cameras.append(V4l2Camera(device, names.get(node.name), _sysfs(node / "name"), accessible=False))
        except OSError:
            continue  # unplugged meanwhile
        else:
            if capability.captures:
                cameras.append(V4l2Camera(device, names.get(node.name), capability.card, accessible=True))
    return tuple(cameras)


def _names_by_id(root: Path) -> dict[str, Path]:
    """Kernel name -> path below /dev/v4l/by-id."""
    folder = root / "dev/v4l/by-id"
    links = sorted(folder.iterdir()) if folder.is_dir() else []
    return {Path(link.readlink()).name: link for link in links if link.is_symlink()}


def _sysfs(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")
