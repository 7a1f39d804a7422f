"""smpclient, as it is, against the server of the firmware, over a terminal and among reports."""

import asyncio
import os
import pty
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from building import built
from smp.error import MGMT_ERR
from smp.header import Version
from smp.image_management import IMG_MGMT_ERR
from smp.os_management import BootMode
from smpclient import SMPClient
from smpclient.generics import error_v1, error_v2, success
from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite, ImageUploadWrite
from smpclient.requests.os_management import DateTimeRead, EchoWrite, MCUMgrParametersRead, ResetWrite
from smpclient.transport.serial import SMPSerialTransport

MOST_BYTES = 4096
"""Of a message: what the server says that it takes, less its length and checksum."""


@asynccontextmanager
async def server() -> AsyncIterator[tuple[SMPClient, asyncio.subprocess.Process]]:
    program = await asyncio.to_thread(built, "host", "protocol_server")
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    process = await asyncio.create_subprocess_exec(program, stdin=ours, stdout=ours)
    transport = SMPSerialTransport()
    client = SMPClient(transport, os.ttyname(theirs))
    try:
        await client.connect()
        assert transport.max_unencoded_size == MOST_BYTES
        yield client, process
        await client.disconnect()
    finally:
        os.close(ours)
        os.close(theirs)
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_echo_and_parameters() -> None:
    async with server() as (client, _):
        parameters = await client.request(MCUMgrParametersRead())
        assert success(parameters)
        assert (parameters.buf_size, parameters.buf_count) == (4100, 1)
        for text in ("", "Hello, world!", "Grüße \0 \n", "x" * 4000):
            echo = await client.request(EchoWrite(d=text))
            assert success(echo)
            assert echo.r == text


async def test_the_largest_message_that_the_client_sends_is_taken() -> None:
    async with server() as (client, _):
        echo = await client.request(EchoWrite(d="x" * (MOST_BYTES - 8 - 6)))
        assert error_v1(echo), "its answer is one byte longer than the question"
        assert echo.rc == MGMT_ERR.EMSGSIZE
        upload = await client.request(ImageUploadWrite(off=0, data=bytes(MOST_BYTES - 8 - 14)))
        assert success(upload), "to this client, an answer to an upload may hold an rc besides its offset"
        assert (upload.off, upload.rc) == (None, MGMT_ERR.ENOTSUP)


@pytest.mark.parametrize("version", Version)
async def test_errors_in_the_words_of_both_versions(version: Version) -> None:
    async with server() as (client, _):
        listed = await client.request(ImageStatesRead(version=version))
        confirmed = await client.request(ImageStatesWrite(hash=b"", confirm=True, version=version))
        date = await client.request(DateTimeRead(version=version))
        assert error_v1(date)
        assert date.rc == MGMT_ERR.ENOTSUP
        if version == Version.V1:
            assert error_v1(listed)
            assert error_v1(confirmed)
            assert (listed.rc, confirmed.rc) == (MGMT_ERR.ENOENT, MGMT_ERR.EBADSTATE)
        else:
            assert error_v2(listed)
            assert error_v2(confirmed)
            assert (listed.err.group, listed.err.rc) == (1, IMG_MGMT_ERR.NO_IMAGE)
            assert confirmed.err.rc == IMG_MGMT_ERR.IMAGE_CONFIRMATION_DENIED


@pytest.mark.parametrize(("mode", "status"), [(None, 0), (BootMode.NORMAL, 0), (BootMode.BOOTLOADER, 42)])
async def test_a_reset_is_answered_before_it_happens(mode: BootMode | None, status: int) -> None:
    async with server() as (client, process):
        assert success(await client.request(ResetWrite(boot_mode=mode)))
        assert await process.wait() == status
