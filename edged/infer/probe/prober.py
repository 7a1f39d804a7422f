"""A probe process, as those hold it who want a model tried. Free of numpy: the main process does."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from edged.core.errors import ProcessNotStarted
from edged.core.secrets import secret_path
from edged.infer.probe.records import MAX_MESSAGE_BYTES, Passed, Request, Verdict, decode_answer, encode

START_DEADLINE_S = 60.0
"""Importing the runtime from a slow SD card."""

GRACE_S = 10.0
"""The probe process keeps each model's deadline itself; so much later it is taken to hang and killed."""

KILL_DEADLINE_S = 5.0

KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "PYTHONPATH")
"""What the runtime may need to be found. Nothing else is handed on: credentials live in environments."""


class Prober:
    """``async with`` starts the process and ends it; one request at a time. Raises ProcessNotStarted."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process
        self._channel: socket.socket
        self._slack_s = START_DEADLINE_S

    async def __aenter__(self) -> Self:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "edged.infer.probe", str(theirs.fileno())),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    process_group=0,  # Ctrl-C is for the process that asked
                    env=_environment(),
                )
            except OSError as error:
                ours.close()
                raise ProcessNotStarted(f"{sys.executable} cannot be started: {error.strerror}") from error
        self._channel = ours
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._channel.close()
        self._kill()  # its child, if it has one, dies with it
        async with asyncio.timeout(KILL_DEADLINE_S):
            await self._process.communicate()  # and not only wait(), which leaves the pipe open

    async def probe(self, request: Request, heed: Callable[[Passed], object] = lambda passed: None) -> Verdict:
        """Have a model tried; ``heed`` is told of each check as it is passed. Raises ProcessNotStarted or SecretUnreadable."""
        settings = request.settings
        file = None if settings.key_file is None else Path(settings.key_file)
        if key := secret_path(file, settings.key_credential):
            request = msgspec.structs.replace(request, key=str(key.absolute()))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._slack_s + request.deadline_s):
                await loop.sock_sendall(self._channel, encode(request))
                while datagram := await loop.sock_recv(self._channel, MAX_MESSAGE_BYTES):
                    answer = decode_answer(datagram)
                    self._slack_s = GRACE_S
                    if isinstance(answer, Verdict):
                        return answer
                    heed(answer)
        except TimeoutError:
            self._kill()
            raise await self._ended("hung") from None
        except (BrokenPipeError, ConnectionResetError):
            pass
        except msgspec.MsgspecError as error:
            self._kill()
            raise await self._ended(f"said what makes no sense: {error}") from error
        raise await self._ended("ended")

    async def _ended(self, how: str) -> ProcessNotStarted:
        """Why the process is no more, with the last line that it printed."""
        assert self._process.stderr is not None
        async with asyncio.timeout(KILL_DEADLINE_S):
            printed = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()
            status = await self._process.wait()
        code = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return ProcessNotStarted(f"the probe process {how} ({code}): {printed[-1] if printed else 'it printed nothing'}")

    def _kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}  # threads that numpy starts could not be forked
