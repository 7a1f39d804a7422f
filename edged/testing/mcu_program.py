"""The firmware's own port for this machine, as a process: ``with McuProgram(program, flash, link) as board: Link(board.path)``."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType


class McuProgram:
    """``edged-mcu`` with its flash in a file, which outlives it; ``baud`` paces its line (0: as fast as it goes)."""

    def __init__(self, program: Path, flash: Path, path: Path, *, baud: int = 0, options: Sequence[str] = ()) -> None:
        self.path = path
        pace = ["--baud", str(baud)]
        self._command = [str(program), "--flash", str(flash), "--pty", str(path), *pace, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> McuProgram:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Power on; returns when its line is there."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def stop(self, *, kill: bool = False) -> int:
        """Power off, at once with ``kill``; its exit status."""
        if self._process is None:
            return 0
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        status = self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status
