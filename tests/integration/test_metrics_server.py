"""The HTTP server answers who asks well, and nobody else can do harm."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from broker import until
from support import PATIENCE_S, wait_until

from edged.core.errors import AddressUnusable
from edged.web.server import MAX_CLIENTS, MAX_REQUEST_BYTES, Answer, Server

GET = b"GET /metrics HTTP/1.1\r\nHost: pi\r\n\r\n"


async def page() -> Answer:
    return Answer(b"all is well\n")


@asynccontextmanager
async def served(route: Callable[[], Awaitable[Answer]] = page) -> AsyncIterator[int]:
    async with Server({"/metrics": route}, patience_s=1.0).listening("127.0.0.1", 0) as port:
        yield port


async def ask(port: int, request: bytes) -> bytes:
    """What comes back until the server hangs up."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_page_is_sent_with_its_length_and_type() -> None:
    async with served() as port:
        head, _, body = (await ask(port, GET)).partition(b"\r\n\r\n")
        assert body == b"all is well\n"
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Length: 12\r\n" in head
        assert b"Content-Type: text/plain" in head
        assert (await ask(port, GET.replace(b"GET", b"HEAD"))).endswith(b"\r\n\r\n")
        assert b" 200 " in await ask(port, GET.replace(b"/metrics", b"/metrics?name=x"))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/../metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET /etc/passwd HTTP/1.0\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\x16\x03\x01 \xff\xfe \x00\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\n\r\n", 404),
    ],
)
async def test_what_is_no_good_request_is_refused(request_: bytes, status: int) -> None:
    async with served() as port:
        assert (await ask(port, request_)).startswith(f"HTTP/1.1 {status} ".encode())


async def test_head_that_is_too_long_is_cut_off() -> None:
    async with served() as port:
        assert await ask(port, b"GET /metrics HTTP/1.1\r\nX: " + b"a" * (1 << 20)) == b""
        assert b"200 OK" in await ask(port, GET)
        padding = MAX_REQUEST_BYTES - len(GET) - 5
        assert b"200 OK" in await ask(port, GET[:-2] + b"X: " + b"a" * padding + b"\r\n\r\n")


async def test_clients_that_say_nothing_hold_no_one_up_for_long_and_leave_nothing_behind() -> None:
    fds = len(list(Path("/proc/self/fd").iterdir()))
    async with served() as port, asyncio.timeout(PATIENCE_S):
        crowd = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(200)))
        for _, writer in crowd:
            writer.write(b"G")  # a slow loris
        cut = [reader async for reader in _as_they_end([reader for reader, _ in crowd])]
        assert len(cut) == 200 > MAX_CLIENTS  # the surplus at once, the others when patience ends
        assert b"200 OK" in await ask(port, GET)
        for _, writer in crowd:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    await until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= fds + 1)


async def _as_they_end(readers: list[asyncio.StreamReader]) -> AsyncIterator[asyncio.StreamReader]:
    async def end(reader: asyncio.StreamReader) -> asyncio.StreamReader:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        return reader

    for ended in asyncio.as_completed([end(reader) for reader in readers]):
        yield await ended


async def test_client_that_takes_nothing_is_cut_off() -> None:
    async def large() -> Answer:
        return Answer(b"x" * (64 << 20))

    def refuse_to_read(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(GET)
            poll = select.poll()
            poll.register(client, select.POLLHUP)  # which comes when the server resets the connection, read or not
            wait_until(lambda: bool(poll.poll(0)), "the server hangs up")

    async with served(large) as port:
        await asyncio.to_thread(refuse_to_read, port)


async def test_server_that_leaves_waits_for_nobody() -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def stuck() -> Answer:
        asked.set()
        await never.wait()
        raise AssertionError

    async with asyncio.timeout(PATIENCE_S):
        async with served(stuck) as port:
            client = asyncio.create_task(ask(port, GET))
            await asked.wait()
        assert await client == b""


async def test_address_in_use_says_so() -> None:
    async with served() as port:
        with pytest.raises(AddressUnusable, match=f"127.0.0.1:{port}.*in use"):
            async with Server({}).listening("127.0.0.1", port):
                pass
