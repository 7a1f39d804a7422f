"""ESP32 by the loader in its ROM, with the program `esptool`, which is a process of its own: its licence is the GPL."""

from __future__ import annotations

import re
from pathlib import Path

from edged.core.errors import ImageRefused
from edged.mcu.tools.flasher import Report, find_program, run_program, size_of

HINT = "`pip install esptool`, or on Debian: `sudo apt install esptool`."

MAGIC = 0xE9
"""The first byte of an image of Espressif's."""

PARTITIONS = 0x50AA
"""The first two of a table of partitions, little endian."""

_PROGRESS = re.compile(r"(\d+(?:\.\d+)?) ?%")


class EspTool:
    """Writes an image of Espressif's at an address, and resets the chip. ``stub`` has a faster loader sent first."""

    def __init__(self, port: Path, address: int, baud: int = 115_200, chip: str = "auto", *, stub: bool = True) -> None:
        self._port = port
        self._address = address
        self._baud = baud
        self._chip = chip
        self._stub = stub

    def check(self, image: Path) -> None:
        """Raises ImageRefused, ToolFailed."""
        find_program("esptool", HINT)
        try:
            head = image.read_bytes()[:2]
        except OSError as error:
            raise ImageRefused(f"{image}: {error.strerror}", fault="unreadable") from error
        if not head or (head[0] != MAGIC and int.from_bytes(head, "little") != PARTITIONS):
            raise ImageRefused(
                f"{image} is no image for an ESP32: it does not begin with {MAGIC:#x}",
                hint="`esptool elf2image` makes one of an ELF file.",
                fault="wrong kind",
            )

    async def flash(self, image: Path, report: Report) -> str:
        """Write and verify; raises ToolFailed."""

        def on_text(line: str) -> None:
            if "riting" in line:
                for share in _PROGRESS.findall(line):
                    report(float(share) / 100)

        stub = [] if self._stub else ["--no-stub"]
        base = [find_program("esptool", HINT), "--chip", self._chip, "--port", str(self._port), "--baud", str(self._baud), *stub]
        # With an underscore: releases before 5 know no other name, and later ones this one too.
        await run_program([*base, "write_flash", hex(self._address), str(image)], on_text)
        return f"{size_of(image):,} bytes written to {self._address:#x}, verified by the chip's own hash"
