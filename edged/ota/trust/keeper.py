"""How the main process has a bundle verified: in a process that is started for it, bounded, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress

import msgspec

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota.bundle import MAX_BUNDLE_BYTES
from edged.ota.trust.records import (
    MAX_MESSAGE_BYTES,
    MAX_ROOT_BYTES,
    Answer,
    Failed,
    Refused,
    Verified,
    Verify,
    decode_answer,
    encode,
)

DEADLINE_S = 90.0
"""Importing python-tuf and cryptography from a slow SD card, while inference has the processor; the work itself takes 30 ms."""

KILL_DEADLINE_S = 5.0

PART_BYTES = 1 << 16

KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "PYTHONPATH")
"""What the libraries may need to be found. Nothing else is handed on: credentials live in environments."""


async def verify(request: Verify) -> Verified:
    """Have a bundle judged; raises UpdateRefused, or UpdateFailed if that could not be done now."""
    if len(request.bundle) > MAX_BUNDLE_BYTES:
        raise UpdateRefused("oversized", f"metadata of {len(request.bundle):,} bytes; at most {MAX_BUNDLE_BYTES:,} are read")
    if len(request.root) > MAX_ROOT_BYTES:
        raise UpdateRefused("oversized", f"the root that this device was given has {len(request.root):,} bytes")
    match await _ask(request):
        case Verified() as verified:
            return verified
        case Refused(code, message, hint):
            raise UpdateRefused(code, message, hint=hint)
        case Failed(code, message):
            raise UpdateFailed(code, message)


async def _ask(request: Verify) -> Answer:
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise UpdateFailed("interrupted", f"no connection to a trust process: {error.strerror}") from error
    ours.setblocking(False)
    with ours:
        with theirs:
            process = await _start(theirs)
        try:
            async with asyncio.timeout(DEADLINE_S):
                if not (said := await _exchange(ours, request)):
                    raise await _ended(process)
            answer: Answer = decode_answer(said)
            return answer
        except TimeoutError:
            raise UpdateFailed("interrupted", f"the trust process took more than {DEADLINE_S:.0f} s") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UpdateFailed("interrupted", f"the trust process said what makes no sense: {error}") from error
        finally:
            if process.returncode is None:
                process.kill()
            with suppress(TimeoutError):  # one that waits for a disk in the kernel goes later
                async with asyncio.timeout(KILL_DEADLINE_S):
                    await process.communicate()  # and not only wait(), which leaves the pipe open


async def _start(theirs: socket.socket) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "edged.ota.trust", str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the process that asked
            env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ} | {"LANG": "C.UTF-8"},
        )
    except OSError as error:
        raise UpdateFailed("interrupted", f"{sys.executable} cannot be started: {error.strerror}") from error


async def _exchange(channel: socket.socket, request: Verify) -> bytes:
    """What is answered; nothing if the process ended before."""
    loop = asyncio.get_running_loop()
    answer = bytearray()
    with suppress(BrokenPipeError, ConnectionResetError):
        await loop.sock_sendall(channel, encode(request))
        channel.shutdown(socket.SHUT_WR)
        while len(answer) <= MAX_MESSAGE_BYTES and (part := await loop.sock_recv(channel, PART_BYTES)):
            answer += part
    return bytes(answer)


async def _ended(process: asyncio.subprocess.Process) -> UpdateFailed:
    """Why there was no answer, with the last line that the process printed."""
    assert process.stderr is not None
    printed = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    status = await process.wait()
    code = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return UpdateFailed("interrupted", f"the trust process ended ({code}): {printed[-1] if printed else 'it printed nothing'}")
