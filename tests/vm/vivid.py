"""Levers of the kernel's vivid driver (https://docs.kernel.org/admin-guide/media/vivid.html)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRIVER = Path("/sys/bus/platform/drivers/vivid")
DEVICE = "vivid.0"
"""The one device of the driver, whatever number of cameras it has."""


def control(node: Path, **values: int) -> None:
    """Set controls, or press those that are buttons."""
    settings = ",".join(f"{name}={value}" for name, value in values.items())
    subprocess.run(["v4l2-ctl", "--device", str(node), "--set-ctrl", settings], check=True)


@contextmanager
def silent(node: Path) -> Iterator[None]:
    """The camera streams, and every buffer is dropped."""
    control(node, percentage_of_dropped_buffers=100)
    try:
        yield
    finally:
        control(node, percentage_of_dropped_buffers=0)


@contextmanager
def unplugged() -> Iterator[None]:
    """All nodes are gone, also under a program that has them open."""
    (DRIVER / "unbind").write_text(DEVICE)
    try:
        yield
    finally:
        (DRIVER / "bind").write_text(DEVICE)
