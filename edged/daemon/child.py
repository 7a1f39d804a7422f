"""One run of the vision process, as the main process holds it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from edged.core.errors import ProcessNotStarted
from edged.core.signals import signal_name
from edged.daemon.accelerators import Death
from edged.vision import datagrams, ipc, note
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)

START_DEADLINE_S = 60.0
"""Between reports until the first heartbeat: imports and loading large models from a slow SD card."""

SILENCE_DEADLINE_S = 10.0
"""Between reports; the heartbeat comes every second."""

STOP_DEADLINE_S = 5.0
KILL_DEADLINE_S = 5.0
"""How long the kernel may take to end a killed process; one that waits in a driver is left behind."""

LINE_LIMIT_BYTES = 1 << 16
CHATTER_KEPT = 20
"""Lines of native libraries that are shown if the process dies of a fault."""


async def receive(channel: socket.socket) -> bytes:
    """The next datagram of the other end, empty once it is gone and all that it sent was read."""
    while True:
        with contextlib.suppress(ConnectionResetError):  # it left with an order unread: said once, before what it had sent
            return await asyncio.get_running_loop().sock_recv(channel, datagrams.MAX_MESSAGE_BYTES)


class VisionProcess:
    """``async with`` starts the process and makes sure that it is gone afterwards. Raises ProcessNotStarted."""

    def __init__(self, settings: VisionSettings) -> None:
        self._settings = settings
        self._ours, self._theirs = datagrams.pair()
        self._process: asyncio.subprocess.Process
        self._stderr: asyncio.Task[None]
        self._stop_timer: asyncio.TimerHandle | None = None
        self._chatter: deque[str] = deque(maxlen=CHATTER_KEPT)
        self._hung = False
        self._inside: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        self._ours.setblocking(False)
        self._note, note_fd = note.shared()
        with self._theirs:
            fds = [self._theirs.fileno(), note_fd]
            command = [sys.executable, "-P", "-m", "edged.vision", *map(str, fds)]
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    pass_fds=fds,
                    stdin=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    limit=LINE_LIMIT_BYTES,
                    process_group=0,  # Ctrl-C is for the main process, which decides
                )
            except OSError as error:
                self._ours.close()
                self._note.close()
                raise ProcessNotStarted(f"{sys.executable} cannot be started: {error.strerror}") from error
            finally:
                os.close(note_fd)
        self._stderr = asyncio.create_task(self._read_stderr())
        try:
            await self._send(self._settings)
        except BaseException:
            self.kill()
            self._ours.close()
            self._note.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._stop_timer:
            self._stop_timer.cancel()
        self._ours.close()
        if not await self._gone(STOP_DEADLINE_S if error is None else 0):
            self.kill()
            if not await self._gone(KILL_DEADLINE_S):
                log.error("the vision process (pid %d) hangs in the kernel and is left behind", self._process.pid)
        await asyncio.wait([self._stderr], timeout=KILL_DEADLINE_S)
        self._stderr.cancel()
        self._inside = self._note.inside()
        self._note.close()
        if self._process.returncode:
            for line in self._chatter:
                log.warning("vision: %s", line)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit(self) -> str:
        """How it ended, in words; only after the end."""
        status = self._process.returncode
        if status is None:
            return "left behind"
        return f"killed by {signal_name(-status)}" if status < 0 else f"exit status {status}"

    @property
    def death(self) -> Death:
        """How it ended, for who has to find out why; only after the end."""
        status = self._process.returncode
        return Death(self.exit, -status if status is not None and status < 0 else None, self._hung, self._inside)

    async def reports(self) -> AsyncIterator[ipc.Report]:
        """What the process says, until it ends; a process that falls silent is killed."""
        deadline_s = START_DEADLINE_S
        while True:
            try:
                async with asyncio.timeout(deadline_s):
                    datagram = await receive(self._ours)
            except TimeoutError:
                log.error("the vision process was silent for %.0f s: killing it", deadline_s)
                self.kill_hung()
                return
            if not datagram:
                return
            report = datagrams.decode_report(datagram)
            if isinstance(report, ipc.Stats):
                deadline_s = SILENCE_DEADLINE_S
            yield report

    async def stop(self) -> None:
        """Ask it to end its tracks and leave; it is killed if it takes too long."""
        self._stop_timer = asyncio.get_running_loop().call_later(STOP_DEADLINE_S, self.kill)
        await self._send(ipc.Stop())

    async def reconfigure(self, settings: VisionSettings) -> None:
        """Ask it to go on with other settings; Reconfigured or Refused will answer, unless it dies."""
        await self._send(ipc.Reconfigure(settings))

    async def shadow(self, order: ipc.Shadow | ipc.StopShadow) -> None:
        """Ask it to show frames to a candidate, or no more; Agreement will answer, unless it dies."""
        await self._send(order)

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()

    def kill_hung(self) -> None:
        """End it because it makes no progress."""
        self._hung = True
        self.kill()

    async def _gone(self, deadline_s: float) -> bool:
        try:
            async with asyncio.timeout(deadline_s):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    async def _send(self, order: ipc.Order) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self._ours, datagrams.encode(order))
        except (BrokenPipeError, ConnectionResetError):
            log.debug("the vision process left before it could be told %s", type(order).__name__)

    async def _read_stderr(self) -> None:
        """Its own records into our log, by their level; chatter of native libraries as debug, kept for the case of a fault."""
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
            if level is None:
                self._chatter.append(text)
            log.log(level or logging.DEBUG, "vision: %s", rest if level else text)
