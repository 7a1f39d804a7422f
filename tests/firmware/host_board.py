"""The host as a board, as a process, and images for it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from building import built, development_key

from edged.mcu import package
from edged.testing.mcu_program import McuProgram
from edged.tooling.mcu_sign import FirmwareLabel, ModelLabel, sign_firmware, sign_model

CUT_STATUS = 86
"""With which it ends when its power is cut."""

END_S = 60.0
"""How long it may take to end on a busy machine."""


class HostBoard(McuProgram):
    """With flash and terminal in a directory, of this build; ``options`` are the program's."""

    def __init__(self, directory: Path, *options: str, baud: int = 0) -> None:
        self.flash = directory / "flash.bin"
        super().__init__(built("host", "edged-mcu"), self.flash, directory / "tty", baud=baud, options=options)

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    def died(self) -> int:
        """The status with which it ended by itself."""
        assert self._process is not None
        return self._process.wait(END_S)


@cache
def firmware(version: str, *, board: str = "host", counter: int = 1) -> bytes:
    """An image that the loader of this build trusts."""
    built("host", "edged-mcu")
    return sign_firmware(version.encode() * 400, FirmwareLabel(board, version, counter), development_key("host"))


@cache
def model(version: str, tflite: bytes, *, name: str = "digits") -> bytes:
    """A model's image, likewise, without golden vectors."""
    built("host", "edged-mcu")
    return sign_model(package.build(tflite), ModelLabel("host", name, version, 1), development_key("host"))
