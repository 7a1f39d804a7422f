"""The control socket: how other edged commands speak to a running daemon.

Rules: a stream socket in the state directory, one request and one reply, each one line of JSON. Only the daemon's own user and root
are heard, which the socket's mode says and the kernel's word on the peer proves. What a client sends is small and comes soon, or
the client is gone; there are few clients at a time. No file is opened because a client names it, but for what it left in the
state directory under the hash of its content. How long an answer takes nobody knows (models are tried one after the other, and
another request may be before ours): until it is there the daemon says that it is at it, and its client waits for as long as it
hears that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edged.core.errors import DaemonAbsent, DaemonUnreachable
from edged.mqtt.health import HealthPayload

log = logging.getLogger(__name__)

SOCKET_NAME = "control"
MAX_REQUEST_BYTES = 8192
"""A path of the length that the kernel takes (4096), with escapes."""

MAX_REPLY_BYTES = 1 << 20
REQUEST_S = 5.0
MAX_CLIENTS = 8
FAREWELL_S = 1.0
"""How long replies may take to leave when the daemon does."""

AT_IT_S = 5.0
"""Between the daemon's words that it is at it."""

SILENCE_S = 30.0
"""A daemon that says nothing for so long is not at it any more: these words come from the loop that does all its work."""

PEER = struct.Struct("3i")
"""``struct ucred`` of unix(7): pid, uid, gid."""


class Reload(Struct, frozen=True, tag="reload", tag_field="request"):
    """Read the configuration again; ``config`` is the path that the client believes it is at, ``None`` if it does not care."""

    config: str | None = None


class Reloaded(Struct, frozen=True, tag="reloaded", tag_field="reply"):
    """It was read and serves; ``changes`` may be empty."""

    changes: tuple[str, ...]


class Refused(Struct, frozen=True, tag="refused", tag_field="reply"):
    """Nothing has changed; why, problem by problem, and what to do."""

    message: str
    problems: tuple[str, ...]
    hint: str


class Look(Struct, frozen=True, tag="look", tag_field="request"):
    """Say how the daemon is."""


class Seen(Struct, frozen=True, tag="seen", tag_field="reply"):
    """What is said of it over MQTT as well."""

    health: HealthPayload


class AtIt(Struct, frozen=True, tag="at it", tag_field="reply"):
    """The reply is yet to come."""


class Install(Struct, frozen=True, tag="install", tag_field="request"):
    """Install a bundle for a followed id. The client left it, packed, in the state directory, under its sha256."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}\Z")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    version: Annotated[str, Meta(max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]


class GoBack(Struct, frozen=True, tag="go_back", tag_field="request"):
    """Let what served before a followed id was updated last serve again."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}\Z")]


class Done(Struct, frozen=True, tag="done", tag_field="reply"):
    """What was asked for serves."""


Request = Reload | Look | Install | GoBack
Reply = Reloaded | Seen | Done | Refused

_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_replies: msgspec.json.Decoder[Reply | AtIt] = msgspec.json.Decoder(Reply | AtIt)


@contextmanager
def _address(directory: Path) -> Iterator[str]:
    """A short name for the socket: an address has 107 bytes, and a directory may be deeper than that."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET_NAME}"
    finally:
        os.close(fd)


class Control:
    """The daemon's end; ``answer`` has the reply to each request."""

    def __init__(
        self, answer: Callable[[Request], Awaitable[Reply]], *, request_s: float = REQUEST_S, at_it_s: float = AT_IT_S
    ) -> None:
        self._answer = answer
        self._request_s = request_s
        self._at_it_s = at_it_s
        self._clients: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, directory: Path) -> AsyncIterator[None]:
        """Listen in ``directory``, which the caller holds: a socket that is there is of a daemon that died.

        Where none can be made, as on a full disk, there is nothing to listen to: the daemon has more to do than that.
        """
        try:
            sock = _bind(directory)
        except OSError as error:
            path = directory / SOCKET_NAME
            log.warning("%s: cannot be made: %s; other edged commands do not reach this daemon", path, error.strerror)
            yield
            return
        server = await asyncio.start_unix_server(self._on_client, sock=sock, limit=MAX_REQUEST_BYTES, backlog=MAX_CLIENTS)
        try:
            yield
        finally:
            server.close()
            (directory / SOCKET_NAME).unlink(missing_ok=True)
            if self._clients:
                await asyncio.wait(self._clients, timeout=FAREWELL_S)
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        if len(self._clients) >= MAX_CLIENTS or not may_command(_peer_uid(writer)):
            writer.transport.abort()
            return
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except (TimeoutError, ConnectionError) as error:
            log.debug("a client of the control socket left: %s", type(error).__name__)
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reply: Reply
        try:
            async with asyncio.timeout(self._request_s):
                request = _requests.decode(await reader.readuntil(b"\n"))
        except (msgspec.MsgspecError, UnicodeDecodeError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            reply = Refused("this daemon does not understand the request", (), "use the edged command of the same version")
        else:
            reply = await self._answer_to(request, writer)
        async with asyncio.timeout(self._request_s):
            writer.write(msgspec.json.encode(reply) + b"\n")
            writer.close()
            await writer.wait_closed()

    async def _answer_to(self, request: Request, writer: asyncio.StreamWriter) -> Reply:
        """The reply, however long it takes; raises ConnectionResetError once nobody is there to hear it."""
        answer = asyncio.ensure_future(self._answer(request))
        try:
            while not (await asyncio.wait([answer], timeout=self._at_it_s))[0]:
                if writer.is_closing():
                    raise ConnectionResetError
                writer.write(msgspec.json.encode(AtIt()) + b"\n")
            return answer.result()
        finally:
            answer.cancel()


def may_command(uid: int) -> bool:
    """Whether a client with this user id is heard: root, and whom the daemon runs as."""
    return uid in {0, os.geteuid()}


def _bind(directory: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(sock.fileno(), 0o600)  # before bind: the file never has another mode
        (directory / SOCKET_NAME).unlink(missing_ok=True)
        with _address(directory) as address:
            sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    """Of the process that connected, as the kernel noted it then."""
    sock = writer.get_extra_info("socket")
    return int(PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[1])


def ask(directory: Path, request: Request, answer_s: float = math.inf) -> Reply:
    """A client's end: the reply of the daemon whose state directory this is. Raises DaemonAbsent or DaemonUnreachable.

    Blocks for ``answer_s`` at most, and for no longer than the daemon is at it.
    """
    where = f"the daemon of {directory}"
    until_s = time.monotonic() + answer_s
    try:
        with _address(directory) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(min(SILENCE_S, answer_s))
            sock.connect(address)
            sock.sendall(msgspec.json.encode(request) + b"\n")
            with sock.makefile("rb") as file:
                while isinstance(reply := _reply(file.readline(MAX_REPLY_BYTES)), AtIt):
                    sock.settimeout(max(0.001, min(SILENCE_S, until_s - time.monotonic())))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise DaemonAbsent(f"no edged runs on the state directory {directory}", hint="is it started?") from error
    except PermissionError as error:
        raise DaemonUnreachable(f"{where} belongs to another user", hint="ask as that user or as root") from error
    except TimeoutError as error:
        how = f"has said nothing for {SILENCE_S:g} s" if answer_s == math.inf else f"has not answered for {answer_s:g} s"
        raise DaemonUnreachable(f"{where} {how}", hint="its log says more") from error
    except OSError as error:
        raise DaemonUnreachable(f"{where}: {error.strerror}") from error
    if reply is None:
        raise DaemonUnreachable(f"{where} left without an answer", hint="its log says more")
    return reply


def _reply(line: bytes) -> Reply | AtIt | None:
    """``None`` for what is none."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return _replies.decode(line)
    return None
