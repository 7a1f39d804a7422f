"""Which Edge TPUs are connected, from what the kernel shows in /sys and /dev; nothing is opened. Free of numpy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged.core.errors import DelegateFailed

USB_IDS = {("1a6e", "089a"), ("18d1", "9302")}
"""Vendor and product of the USB accelerator, before libedgetpu has loaded its firmware and after
(https://coral.ai/docs/accelerator/get-started)."""

ABSENT_FIX = "Plug one in; lsusb shows it as 1a6e:089a or 18d1:9302, a PCIe one is /dev/apex_0."

NODE_FIX = "Pass /dev/bus/usb (or /dev/apex_0) into the container."

UDEV_FIX = (
    "Install Coral's udev rules (part of libedgetpu1-std), add the user to the group plugdev (`sudo usermod -aG plugdev USER`; "
    "a unit needs SupplementaryGroups=plugdev), and plug it in again."
)


@dataclass(frozen=True, slots=True)
class EdgeTpu:
    """A connected device; ``node`` is what has to be readable and writable, ``accessible`` whether it is for us."""

    kind: Literal["usb", "pci"]
    node: Path
    accessible: bool


def find_edgetpus(root: Path = Path("/")) -> tuple[EdgeTpu, ...]:
    """The Edge TPUs that the machine shows, in the order of their names; ``root`` is where /sys and /dev are."""
    return (*_pci(root), *_usb(root))


def matching(found: tuple[EdgeTpu, ...], device: str) -> tuple[EdgeTpu, ...]:
    """Those that ``EdgeTpuSettings.device`` may mean: of its kind, and at least as many as its number asks for."""
    kind, _, number = device.partition(":")
    of_kind = tuple(tpu for tpu in found if kind in {"", tpu.kind})
    return of_kind if len(of_kind) > int(number or 0) else ()


def trouble(device: str, root: Path = Path("/")) -> DelegateFailed | None:
    """Why no Edge TPU that ``device`` means can be opened; ``None`` if one looks fine."""
    wanted = f"Edge TPU {device!r}" if device else "Edge TPU"
    found = matching(find_edgetpus(root), device)
    if not found:
        return DelegateFailed(f"no {wanted} is connected", hint=ABSENT_FIX, fault="absent")
    if not any(tpu.node.exists() for tpu in found):
        return DelegateFailed(f"{found[0].node}: the Edge TPU has no device node here", hint=NODE_FIX, fault="no node")
    if not any(tpu.accessible for tpu in found):
        return DelegateFailed(f"{found[0].node}: no permission to open the Edge TPU", hint=UDEV_FIX, fault="no permission")
    return None


def _pci(root: Path) -> list[EdgeTpu]:
    return [_device("pci", node) for node in sorted((root / "dev").glob("apex_*"))]


def _usb(root: Path) -> list[EdgeTpu]:
    found = []
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        if (_read(device / "idVendor"), _read(device / "idProduct")) in USB_IDS:
            bus, number = _read(device / "busnum"), _read(device / "devnum")
            if bus.isdigit() and number.isdigit():  # else it was unplugged meanwhile
                found.append(_device("usb", root / f"dev/bus/usb/{int(bus):03}/{int(number):03}"))
    return found


def _device(kind: Literal["usb", "pci"], node: Path) -> EdgeTpu:
    return EdgeTpu(kind, node, os.access(node, os.R_OK | os.W_OK, effective_ids=True))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:  # unplugged meanwhile, or no device but an interface of one
        return ""
