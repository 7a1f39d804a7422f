"""The kernel's view of cameras: a sysfs tree as a Pi 4 with one USB camera shows it, and real file descriptors."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.holders import holders
from edged.sources.devices import Capability, V4l2Camera, list_cameras, query_capability

CAPTURE, META, M2M_MPLANE, STREAMING, DEVICE_CAPS = 0x1, 0x0080_0000, 0x4000, 0x0400_0000, 0x8000_0000


def capability(driver: bytes, card: bytes, of_device: int, of_node: int) -> bytes:
    return struct.pack("16s32s32sIII3I", driver, card, b"usb-0000:01:00.0-1.2", 0x060C00, of_device, of_node, 0, 0, 0)


def test_capture_node_of_a_uvc_camera() -> None:
    whole = CAPTURE | META | STREAMING | DEVICE_CAPS
    found = Capability.parse(capability(b"uvcvideo", b"HD Pro Webcam C920", whole, CAPTURE | STREAMING))
    assert found == Capability("uvcvideo", "HD Pro Webcam C920", "usb-0000:01:00.0-1.2", captures=True)


def test_metadata_node_of_the_same_camera_does_not_capture() -> None:
    whole = CAPTURE | META | STREAMING | DEVICE_CAPS
    assert not Capability.parse(capability(b"uvcvideo", b"C920", whole, META | STREAMING)).captures


def test_old_driver_without_capabilities_of_the_node() -> None:
    assert Capability.parse(capability(b"old", b"Old", CAPTURE | STREAMING, 0)).captures


@pytest.mark.parametrize(("driver", "bits"), [(b"bcm2835-codec", M2M_MPLANE), (b"bcm2835-isp", CAPTURE)])
def test_processors_of_the_pi_are_no_cameras(driver: bytes, bits: int) -> None:
    assert not Capability.parse(capability(driver, driver, bits | DEVICE_CAPS, bits)).captures


@given(st.binary(min_size=104, max_size=104))
def test_any_answer_of_a_driver_is_understood(data: bytes) -> None:
    found = Capability.parse(data)
    assert "\0" not in found.driver + found.card + found.bus


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Nodes 0 (capture) and 1 (metadata) of a camera with a name by id, 2 of one that we may not open, 10 a codec, 11 just gone."""
    nodes = {0: ("C920", 0), 1: ("C920", 1), 2: ("Private", 0), 3: ("Private", 1), 10: ("bcm2835-codec", 0), 11: ("Gone", 0)}
    for number, (name, index) in nodes.items():
        node = tmp_path / f"sys/class/video4linux/video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text(f"{name}\n")
        (node / "index").write_text(f"{index}\n")
    by_id = tmp_path / "dev/v4l/by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-046d_C920-video-index0").symlink_to("../../video0")
    (by_id / "usb-046d_C920-video-index1").symlink_to("../../video1")
    return tmp_path


def query(device: Path) -> Capability:
    match device.name:
        case "video0":
            return Capability("uvcvideo", "HD Pro Webcam C920", "usb", captures=True)
        case "video2" | "video3":
            raise PermissionError(errno.EACCES, "Permission denied")
        case "video11":
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        case _:
            return Capability("other", "Other", "platform", captures=False)


def test_lists_what_captures_and_what_may_not_be_opened(root: Path) -> None:
    assert list_cameras(root, query) == (
        V4l2Camera(root / "dev/video0", root / "dev/v4l/by-id/usb-046d_C920-video-index0", "HD Pro Webcam C920", accessible=True),
        V4l2Camera(root / "dev/video2", None, "Private", accessible=False),
    )


def test_no_video4linux_at_all(tmp_path: Path) -> None:
    assert list_cameras(tmp_path) == ()


@pytest.mark.parametrize("node", ["/dev/null", "/dev/zero"])
def test_other_devices_do_not_know_the_question(node: str) -> None:
    with pytest.raises(OSError) as caught:
        query_capability(Path(node))
    assert caught.value.errno in {errno.ENOTTY, errno.EINVAL}


def test_holders_names_the_process_that_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "camera"
    path.touch()
    assert holders(path) == ()
    with path.open():
        (holder,) = holders(path)
    assert holder.endswith(f"(pid {os.getpid()})")
