"""STM32 by the loader that the factory put into its ROM, with the program `stm32flash`.

The chip has to be in that loader: BOOT0 high at reset. Protocol: ST's application note AN3155.
"""

from __future__ import annotations

import re
from pathlib import Path

from edged.core.errors import ImageRefused
from edged.mcu.tools.flasher import Report, find_program, run_program, size_of

ADDRESS = 0x0800_0000
"""Where the flash of an STM32 begins."""

MODE = "8e1"
"""Eight bits and even parity: what the loader expects of its line."""

HINT = "On Debian: `sudo apt install stm32flash`."

_PROGRESS = re.compile(r"\((\d+(?:\.\d+)?)%\)")


class Stm32Flash:
    """Writes a raw binary, reads it back, and starts it."""

    def __init__(self, port: Path, baud: int = 115_200, address: int = ADDRESS, *, mode: str = MODE) -> None:
        self._port = port
        self._baud = baud
        self._address = address
        self._mode = mode

    def check(self, image: Path) -> None:
        """Raises ImageRefused, ToolFailed."""
        find_program("stm32flash", HINT)
        check_raw(image)

    async def flash(self, image: Path, report: Report) -> str:
        """Write, verify, start; raises ToolFailed."""

        def on_text(line: str) -> None:
            for share in _PROGRESS.findall(line):
                report(float(share) / 100)

        program = find_program("stm32flash", HINT)
        where = hex(self._address)
        arguments = ["-b", str(self._baud), "-m", self._mode, "-w", str(image), "-v", "-S", where, "-g", where, str(self._port)]
        await run_program([program, *arguments], on_text)
        return f"{size_of(image):,} bytes written to {where}, verified, started"


def check_raw(image: Path) -> None:
    """Raise ImageRefused for what must not be written to address 0 of a chip as it stands."""
    try:
        head = image.read_bytes()[:4]
    except OSError as error:
        raise ImageRefused(f"{image}: {error.strerror}", fault="unreadable") from error
    kinds = {b"\x7fELF": "an ELF file: make a .bin of it with objcopy -O binary", b"UF2\n": "a UF2 file, for --tool uf2"}
    if head in kinds or not head:
        raise ImageRefused(f"{image} is {kinds.get(head, 'empty')}", fault="wrong kind")
