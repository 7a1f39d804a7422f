"""One run of the vision process, as the main process holds it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, cast

from edged.vision import ipc
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)

START_DEADLINE_S = 60.0
"""Until the first report: imports and loading a large model from a slow SD card."""

SILENCE_DEADLINE_S = 10.0
"""Between reports; the heartbeat comes every second."""

STOP_DEADLINE_S = 5.0
LINE_LIMIT_BYTES = 1 << 16


class VisionProcess:
    """``async with`` starts the process and makes sure that it is gone afterwards."""

    def __init__(self, settings: VisionSettings) -> None:
        self._settings = settings
        self._ours, self._theirs = ipc.pair()
        self._process: asyncio.subprocess.Process
        self._stderr: asyncio.Task[None]
        self._stop_timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._ours.setblocking(False)
        with self._theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "edged.vision", str(self._theirs.fileno())),
                pass_fds=(self._theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT_BYTES,
            )
        self._stderr = asyncio.create_task(self._read_stderr())
        await self._send(self._settings)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._stop_timer:
            self._stop_timer.cancel()
        self._ours.close()
        if self._process.returncode is None:
            try:
                async with asyncio.timeout(STOP_DEADLINE_S if error is None else 0):
                    await self._process.wait()
            except TimeoutError:
                self.kill()
                await self._process.wait()
        await self._stderr

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit(self) -> str:
        """How it ended, in words; only after the end."""
        status = self._process.returncode or 0
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"

    async def reports(self) -> AsyncIterator[ipc.Report]:
        """What the process says, until it ends; a process that falls silent is killed."""
        loop = asyncio.get_running_loop()
        deadline_s = START_DEADLINE_S
        while True:
            try:
                async with asyncio.timeout(deadline_s):
                    datagram = await loop.sock_recv(self._ours, ipc.MAX_MESSAGE_BYTES)
            except TimeoutError:
                log.error("the vision process was silent for %.0f s: killing it", deadline_s)
                self.kill()
                return
            except ConnectionResetError:
                return
            if not datagram:
                return
            deadline_s = SILENCE_DEADLINE_S
            yield cast("ipc.Report", ipc.decode(datagram))

    async def stop(self) -> None:
        """Ask it to end its tracks and leave; it is killed if it takes too long."""
        self._stop_timer = asyncio.get_running_loop().call_later(STOP_DEADLINE_S, self.kill)
        await self._send(ipc.Stop())

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()

    async def _send(self, order: ipc.Order) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self._ours, ipc.encode(order))
        except (BrokenPipeError, ConnectionResetError):
            log.debug("the vision process left before it could be told %s", type(order).__name__)

    async def _read_stderr(self) -> None:
        """Its words into our log: its own records by level, the chatter of native libraries as debug."""
        assert self._process.stderr is not None
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # a line beyond the limit; what was buffered of it is gone
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            name, _, rest = text.partition(" ")
            level = logging.getLevelNamesMapping().get(name)
            log.log(logging.DEBUG if text.startswith("INFO:") else level or logging.WARNING, "vision: %s", rest if level else text)
