"""A tree like /sys and /dev with Edge TPUs in it, for what takes a ``root``."""

from __future__ import annotations

from pathlib import Path


def plug_in(root: Path, port: str, *, ids: tuple[str, str] = ("18d1", "9302"), number: int = 4) -> Path:
    """A USB device at ``port`` of bus 1 with vendor and product ``ids``, by default an Edge TPU.

    Returns its directory; removing that unplugs it.
    """
    directory = root / "sys/bus/usb/devices" / port
    directory.mkdir(parents=True)
    for name, text in {"busnum": "1", "devnum": str(number), "idProduct": ids[1], "idVendor": ids[0]}.items():
        (directory / name).write_text(f"{text}\n")
    node = root / f"dev/bus/usb/001/{number:03}"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    return directory
