"""The control socket answers its own user, and a hostile client costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edged.core.errors import DaemonAbsent, DaemonUnreachable
from edged.daemon.control import MAX_CLIENTS, MAX_REQUEST_BYTES, Control, Refused, Reload, Reloaded, Reply, ask, may_command


async def echo(request: Reload) -> Reply:
    return Reloaded((request.config or "",))


@asynccontextmanager
async def listening(directory: Path, request_s: float = 60) -> AsyncIterator[str]:
    """The address of a control socket; short enough to be one."""
    async with Control(echo, request_s=request_s).listening(directory):
        yield os.path.relpath(directory / "control")


async def exchange(address: str, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(address)
    try:
        writer.write(sent)
        writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_request_and_reply(tmp_path: Path) -> None:
    async with listening(tmp_path):
        assert await asyncio.to_thread(ask, tmp_path, Reload("/etc/edged.toml")) == Reloaded(("/etc/edged.toml",))
        mode = (tmp_path / "control").stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (tmp_path / "control").exists()


async def test_directory_may_be_deeper_than_an_address_is_long(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["state-of-a-device-with-a-long-name"] * 5)
    deep.mkdir(parents=True)
    async with Control(echo).listening(deep):
        assert await asyncio.to_thread(ask, deep, Reload()) == Reloaded(("",))


async def test_socket_of_a_daemon_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.path.relpath(tmp_path / "control"))
    with pytest.raises(DaemonAbsent):
        ask(tmp_path, Reload())
    async with listening(tmp_path):
        assert await asyncio.to_thread(ask, tmp_path, Reload()) == Reloaded(("",))


async def test_where_no_socket_can_be_made_the_daemon_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "control").mkdir()
    async with Control(echo).listening(tmp_path):
        assert "control: cannot be made" in caplog.text
    assert (tmp_path / "control").is_dir()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\n",
        b"{",
        b"\xff\xfe\n",
        b'{"request": "shutdown"}\n',
        b'{"request": "reload", "config": 5}\n',
        b"[" * MAX_REQUEST_BYTES + b"\n",
        b"x" * 1_000_000,
    ],
)
async def test_nonsense_is_refused_or_cut_off(tmp_path: Path, sent: bytes) -> None:
    async with listening(tmp_path) as address:
        answer = await exchange(address, sent)
        assert not answer or b'"reply":"refused"' in answer
        assert await asyncio.to_thread(ask, tmp_path, Reload()) == Reloaded(("",))


async def test_clients_that_say_nothing_are_few_and_do_not_stay(tmp_path: Path) -> None:
    async with listening(tmp_path, request_s=1.0) as address:
        idle = [await asyncio.open_unix_connection(address) for _ in range(3 * MAX_CLIENTS)]
        for reader, _ in idle:
            assert await reader.read() == b""  # all are cut off, late ones at once
        for _, writer in idle:
            writer.close()
        assert await asyncio.to_thread(ask, tmp_path, Reload()) == Reloaded(("",))


async def test_client_that_left_before_the_answer_does_no_harm(tmp_path: Path) -> None:
    gate = asyncio.Event()
    asked = asyncio.Event()

    async def slow(_: Reload) -> Reply:
        asked.set()
        await gate.wait()
        return Refused("late", (), "")

    async with Control(slow).listening(tmp_path):
        _, writer = await asyncio.open_unix_connection(os.path.relpath(tmp_path / "control"))
        writer.write(b'{"request":"reload"}\n')
        await asked.wait()
        writer.transport.abort()
        gate.set()
        assert await asyncio.to_thread(ask, tmp_path, Reload()) == Refused("late", (), "")


async def test_for_as_long_as_there_is_no_reply_the_daemon_says_that_it_is_at_it(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def slow(_: Reload) -> Reply:
        await gate.wait()
        return Reloaded(("store changed",))

    async with Control(slow, at_it_s=0.01).listening(tmp_path):
        client = asyncio.create_task(asyncio.to_thread(ask, tmp_path, Reload()))
        reader, writer = await asyncio.open_unix_connection(os.path.relpath(tmp_path / "control"))
        writer.write(b'{"request":"reload"}\n')
        assert {await reader.readline() for _ in range(3)} == {b'{"reply":"at it"}\n'}
        with pytest.raises(DaemonUnreachable, match=r"has not answered for 0\.1 s"):  # who has a limit keeps to it all the same
            await asyncio.to_thread(ask, tmp_path, Reload(), 0.1)
        gate.set()
        assert await client == Reloaded(("store changed",))
        assert (await reader.read()).endswith(b'"changes":["store changed"]}\n')
        writer.close()


async def test_client_that_left_is_not_waited_for(tmp_path: Path) -> None:
    given_up = asyncio.Event()

    async def never(_: Reload) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        raise AssertionError

    async with Control(never, at_it_s=0.01).listening(tmp_path):
        _, writer = await asyncio.open_unix_connection(os.path.relpath(tmp_path / "control"))
        writer.write(b'{"request":"reload"}\n')
        await writer.drain()
        writer.transport.abort()
        await given_up.wait()


async def test_daemon_that_leaves_without_an_answer_is_said(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def never(_: Reload) -> Reply:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with Control(never).listening(tmp_path):
        client = asyncio.create_task(asyncio.to_thread(ask, tmp_path, Reload()))
        await asked.wait()
    with pytest.raises(DaemonUnreachable, match="left without an answer"):
        await client


def test_no_daemon_no_answer(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "gone", Path("/dev/null")):
        with pytest.raises(DaemonAbsent, match="no edged runs on"):
            ask(directory, Reload())


def test_only_the_daemons_user_and_root_are_heard() -> None:
    assert may_command(0)
    assert may_command(os.geteuid())
    assert not may_command(65_534)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
async def test_other_users_are_cut_off_even_where_the_mode_lets_them_in() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        async with Control(echo).listening(Path(directory)):
            address = f"{directory}/control"
            Path(address).chmod(0o666)
            with socket.socket(socket.AF_UNIX) as client:
                client.setblocking(False)
                os.seteuid(65_534)
                try:
                    client.connect(address)  # the kernel notes who we are now
                finally:
                    os.seteuid(0)
                client.send(b'{"request":"reload"}\n')
                answer = b""
                with contextlib.suppress(ConnectionResetError):
                    answer = await asyncio.get_running_loop().sock_recv(client, 100)
                assert answer == b""
