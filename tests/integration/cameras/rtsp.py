"""The RTSP camera of ``rtsp_server.py`` as a process that can be frozen, killed and started again."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from edged.testing.broker import ReservedPort

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")


class RtspCamera:
    """``with`` starts it and sees to its end; started again it listens on the same port.

    ``options`` are those of ``rtsp_server.py``, ``wrapper`` a command that it is run by.
    """

    def __init__(self, *options: str, wrapper: Sequence[str] = (), address: str = "127.0.0.1") -> None:
        self._command = [*wrapper, PYTHON, str(SERVER), "--address", address, *options]
        self._address = address
        self._process: subprocess.Popen[str]
        self._reserved = ReservedPort()  # nobody has it while the camera is dead
        self.port = self._reserved.number

    @property
    def host(self) -> str:
        return f"{self._address}:{self.port}"

    @property
    def url(self) -> str:
        return f"rtsp://{self.host}/cam"

    def start(self) -> None:
        """Returns once it listens."""
        command = [*self._command, "--port", str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        assert int(self._process.stdout.readline()) == self.port

    def order(self, order: str) -> None:
        """One of those that ``rtsp_server.py`` takes."""
        assert self._process.stdin
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()

    def freeze(self) -> None:
        """It holds its connections, and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Its power is gone; the kernel tells its viewers."""
        with self._process:
            self._process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdout
        if not self._process.stdout.closed:
            self.kill()
        self._reserved.release()
