"""Which serial ports this machine has, what may be behind each, and whether we may open it.

Formats: /sys/class/tty and /sys/bus/usb of the Linux kernel; /dev/serial/by-id as udev makes it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edged.core.holders import holders
from edged.mcu.boards import Guess, guess
from edged.mcu.opening import permission_hint

_PATTERNS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS*")
_NO_HARDWARE = "0"
"""The type that the kernel gives a port that it keeps a name for."""


@dataclass(frozen=True, slots=True)
class Port:
    """One port. ``by_id`` is its name that survives a reboot, where udev gave one; ``usb`` is (vendor, product).

    ``hint`` says what gives a person the right to open it; empty if it may be opened. ``held_by``: who has it open already.
    """

    device: Path
    by_id: Path | None
    usb: tuple[int, int] | None
    product: str
    serial_number: str
    guess: Guess | None
    held_by: tuple[str, ...]
    hint: str


def list_ports(root: Path = Path("/"), held_by: Callable[[Path], tuple[str, ...]] = holders) -> tuple[Port, ...]:
    """Those below ``root`` (its sys and dev), USB first."""
    names = _names_by_id(root)
    found = []
    for pattern in _PATTERNS:
        for node in sorted((root / "sys/class/tty").glob(pattern), key=lambda it: (len(it.name), it.name)):
            device = root / "dev" / node.name
            if (node / "device").exists() and device.exists() and _text(node / "type") != _NO_HARDWARE:
                found.append(_port(node, device, names.get(node.name), held_by(device)))
    return tuple(found)


def find_port(device: Path, root: Path = Path("/")) -> Port | None:
    """The port behind a name of any kind, if it is one of ``list_ports``."""
    real = device.resolve()
    return next((port for port in list_ports(root) if port.device.resolve() == real), None)


def stable_name(device: Path, root: Path = Path("/")) -> Path:
    """The name by which a port is found again when its board has started anew; ``device`` itself if there is none."""
    if device.is_symlink():  # a name that somebody chose for that
        return device
    ports = list_ports(root, held_by=lambda path: ())
    return next((port.by_id for port in ports if port.device == device and port.by_id is not None), device)


def _port(node: Path, device: Path, by_id: Path | None, held_by: tuple[str, ...]) -> Port:
    usb = _usb_device(node)
    ids = None if usb is None else (int(_text(usb / "idVendor"), 16), int(_text(usb / "idProduct"), 16))
    return Port(
        device=device,
        by_id=by_id,
        usb=ids,
        product="" if usb is None else " ".join(filter(None, (_text(usb / "manufacturer"), _text(usb / "product")))),
        serial_number="" if usb is None else _text(usb / "serial"),
        guess=None if ids is None else guess(*ids),
        held_by=held_by,
        hint="" if os.access(device, os.R_OK | os.W_OK) else permission_hint(device),
    )


def _usb_device(node: Path) -> Path | None:
    """The directory of the USB device that it belongs to."""
    place = (node / "device").resolve()
    return next((it for it in (place, *place.parents) if (it / "idVendor").is_file() and (it / "idProduct").is_file()), None)


def _names_by_id(root: Path) -> dict[str, Path]:
    """Kernel name -> path below /dev/serial/by-id."""
    folder = root / "dev/serial/by-id"
    links = sorted(folder.iterdir()) if folder.is_dir() else []
    return {Path(link.readlink()).name: link for link in links if link.is_symlink()}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
