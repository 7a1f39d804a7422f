"""A board in QEMU: its flash is a file, its serial line a PTY, its power cut a SIGKILL."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = "qemu-system-arm"
FLASH_BYTES = 16 << 20

PATIENCE_S = 60
"""How long QEMU may take to start on a busy machine; no measure of speed."""


def available() -> bool:
    """Whether there is a QEMU for Arm boards here."""
    return shutil.which(PROGRAM) is not None


def blank_flash(path: Path) -> Path:
    """A file that is the flash of a new device: every bit set."""
    path.write_bytes(b"\xff" * FLASH_BYTES)
    return path


class Qemu:
    """A machine that stands still until ``power_on``, so that whoever opens ``port`` before loses no byte.

    ``preloaded`` lays files into memory (address: path) at every reset, as a debugger would. With ``counted`` virtual time passes
    by a nanosecond with each instruction, independent of the host's speed.
    """

    def __init__(
        self,
        machine: str,
        kernel: Path,
        *,
        flash: Path | None = None,
        preloaded: dict[int, Path] | None = None,
        counted: bool = False,
    ) -> None:
        self._command: list[str] = [PROGRAM, "-M", machine, "-kernel", str(kernel), "-S", "-display", "none", "-nodefaults"]
        self._command += ["-serial", "pty"]
        if flash is not None:
            self._command += ["-drive", f"file={flash},if=mtd,format=raw"]
        for address, path in (preloaded or {}).items():
            self._command += ["-device", f"loader,file={path},addr={address:#x},force-raw=on"]
        if counted:
            self._command += ["-icount", "shift=0"]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = Path()

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [*self._command, "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        ours.settimeout(PATIENCE_S)
        self._control = ours.makefile("rwb")
        ours.close()
        try:
            self._receive("QMP")
            self._ask("qmp_capabilities")
            for device in self._ask("query-chardev"):
                if device["label"] == "serial0":
                    self.port = Path(re.sub("^pty:", "", device["filename"]))
        except BaseException:
            self.cut_power()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut_power()

    def power_on(self) -> None:
        """Lets the machine run."""
        self._ask("cont")

    def reset(self) -> None:
        """Presses the board's reset button."""
        self._ask("system_reset")

    def settle(self) -> bool:
        """Holds the machine until what it wrote to its flash is in the file; whether it still had power.

        QEMU tells a machine that a page is programmed, and has a thread write the file: on a busy host the board may have said
        that it did something before. Of real flash nothing is done that a power cut undoes.
        """
        if self._process is None:
            return False
        self._ask("stop")
        self._ask("cont")
        return True

    def cut_power(self) -> None:
        """SIGKILL, at once; what is in the flash file stays. Idempotent."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._control.close()
        self._process = None

    def _ask(self, command: str) -> Any:
        self._control.write(json.dumps({"execute": command}).encode() + b"\n")
        self._control.flush()
        return self._receive("return")

    def _receive(self, key: str) -> Any:
        while line := self._control.readline():
            answer = json.loads(line)
            if key in answer:
                return answer[key]
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
        assert self._process is not None and self._process.stderr is not None
        raise RuntimeError(f"QEMU went away: {self._process.stderr.read().decode(errors='replace').strip()}")


def main(arguments: Sequence[str]) -> None:
    """``python qemu.py MACHINE KERNEL [FLASH]``: starts a board, says where its serial line is, and waits for Ctrl-C."""
    flash = Path(arguments[2]) if len(arguments) > 2 else None
    if flash is not None and not flash.exists():
        blank_flash(flash)
    with Qemu(arguments[0], Path(arguments[1]), flash=flash) as board:
        print(board.port, flush=True)
        board.power_on()
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
