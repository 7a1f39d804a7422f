"""The host as a board, as a process: build/firmware/host/edged-mcu with flash and terminal of its own."""

from __future__ import annotations

import select
import subprocess
from functools import cache
from pathlib import Path
from types import TracebackType

from building import built, development_key

from edged.mcu import package
from edged.tooling.mcu_sign import FirmwareLabel, ModelLabel, sign_firmware, sign_model

CUT_STATUS = 86
"""With which it ends when its power is cut."""

START_S = 30.0
"""How long it may take to have a terminal on a busy machine."""


class HostBoard:
    """It has power between ``with`` and its end, or until it is cut; ``terminal`` is there then."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._directory = directory
        self._options = options

    @property
    def terminal(self) -> Path:
        """A link to it."""
        return self._directory / "tty"

    @property
    def flash(self) -> Path:
        """The file."""
        return self._directory / "flash.bin"

    def __enter__(self) -> HostBoard:
        command = [built("host", "edged-mcu"), "--flash", self.flash, "--pty", self.terminal, *self._options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], START_S)
        assert ready and self.process.stdout.readline().startswith("/dev/pts/")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def died(self) -> int:
        """The status with which it ended by itself."""
        return self.process.wait(START_S)


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
