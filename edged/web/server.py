"""A minimal HTTP server: GET of a few fixed paths, one answer a connection.

Rules: whoever connects is untrusted. Requests, connections and time are bounded; nothing of a request but its method and path is
looked at, and the path only compared. A client that is over a bound is cut off: a scraper comes again, and nobody else suffers.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from edged.core.errors import AddressUnusable

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 8192
MAX_CLIENTS = 16
PATIENCE_S = 5.0
"""From the connection to the end of the request's head, and again for the answer to leave."""

FORGET = struct.pack("ii", 1, 0)
"""Close without waiting for what the client did not take yet (socket(7)): the kernel would go on offering it for minutes."""

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


Routes = Mapping[str, Callable[[], Awaitable[Answer]]]
"""What answers a GET, by path."""


class Server:
    """Used by ``async with Server(routes).listening(host, port)``."""

    def __init__(self, routes: Routes, *, patience_s: float = PATIENCE_S) -> None:
        self._routes = routes
        self._patience_s = patience_s
        self._clients: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve, and give the port (which the system chooses for 0). Raises AddressUnusable."""
        try:
            server = await asyncio.start_server(self._on_client, host, port, limit=MAX_REQUEST_BYTES)
        except OSError as error:
            hint = "another program has it, or this machine has no such address: [metrics] listen names another"
            raise AddressUnusable(f"metrics: cannot listen on {host}:{port}: {error.strerror or error}", hint=hint) from error
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError) as error:
            log.debug("a client of the metrics left: %s", type(error).__name__)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, FORGET)
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._patience_s):
            head = await reader.readuntil(b"\r\n\r\n")
        method, answer = await self._answer(head)
        fields = (
            f"HTTP/1.1 {answer.status} {REASONS[answer.status]}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
        )
        writer.write("\r\n".join((*fields, "", "")).encode() + (b"" if method == b"HEAD" else answer.body))
        async with asyncio.timeout(self._patience_s):
            writer.close()
            await writer.wait_closed()

    async def _answer(self, head: bytes) -> tuple[bytes, Answer]:
        """The method that was asked by, and what to say (RFC 9112, section 3: method, target, version)."""
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        target, _, version = rest.partition(b" ")
        if not version.startswith(b"HTTP/1."):
            return method, Answer(b"not HTTP/1\n", status=400)
        if method not in {b"GET", b"HEAD"}:
            return method, Answer(b"only GET\n", status=405)
        route = self._routes.get(target.partition(b"?")[0].decode("latin-1"))
        return method, Answer(b"no such path\n", status=404) if route is None else await route()
