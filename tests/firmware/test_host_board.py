"""The loader and the application as a program: upgrades, trials, power cuts, resets, and the pace of a line."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from building import built, development_key
from host_board import CUT_STATUS, HostBoard, firmware, model

from edged.core.errors import BoardRefused, BoardSilent, EdgedError, PortLost
from edged.mcu.board import Board
from edged.mcu.image import parse
from edged.mcu.info import FIRMWARE, MODEL, BoardInfo, ImageNumber
from edged.mcu.install import bring, restart, try_out
from edged.mcu.link import Link
from edged.tooling.mcu_sign import FirmwareLabel, generate_key, sign_firmware

BAUD = 230_400
"""A line so slow that its pace shows, and so fast that a test does not wait."""

RESET_BY_FAULT, RESET_BY_REQUEST = 3, 1  # hal::ResetReason


@asynccontextmanager
async def asking(host: HostBoard) -> AsyncIterator[Board]:
    async with Link(host.path) as link:
        yield Board(link)


async def send(board: Board, data: bytes, kind: ImageNumber = FIRMWARE) -> None:
    """Whatever it is: nothing but the board judges it."""
    await board.upload(kind, data, hashlib.sha256(data).digest())


async def provision(directory: Path, version: str = "1.0.0") -> None:
    """What a factory does: the first firmware goes to a loader that has none."""
    with HostBoard(directory) as host:
        async with asking(host) as board:
            before = await board.info()
            assert before.mode == "loader"
            await send(board, firmware(version))
            assert (await restart(board, before)).version == version


async def upgrade(board: Board, data: bytes) -> BoardInfo:
    return await try_out(board, await bring(board, parse(data), data))


async def test_an_upgrade_is_tried_confirmed_and_stays(tmp_path: Path) -> None:
    await provision(tmp_path)
    with HostBoard(tmp_path) as host:
        async with asking(host) as board:
            info = await upgrade(board, firmware("2.0.0", counter=4))
            assert (info.version, info.state, info.reset_reason) == ("2.0.0", "trial", RESET_BY_REQUEST)
            await board.confirm()
            with pytest.raises(BoardRefused):
                await send(board, firmware("3.0.0", counter=3))
    with HostBoard(tmp_path) as host:
        async with asking(host) as board:
            info = await board.info()
            assert (info.version, info.state, info.counters.firmware) == ("2.0.0", "confirmed", 4)


async def test_a_trial_that_nobody_confirms_goes_back(tmp_path: Path) -> None:
    await provision(tmp_path)
    with HostBoard(tmp_path) as host:
        async with asking(host) as board:
            assert (await upgrade(board, firmware("2.0.0"))).version == "2.0.0"
    with HostBoard(tmp_path) as host:  # the power was cut
        async with asking(host) as board:
            assert (await board.info()).version == "1.0.0"
            [held] = [slot for slot in await board.images() if slot.version == "2.0.0"]
            assert not held.pending and not held.confirmed


async def test_a_model_comes_and_goes_without_the_firmware(tmp_path: Path, test_data: Path) -> None:
    tflite = (test_data / "models" / "hello_world_int8.tflite").read_bytes()
    await provision(tmp_path)
    with HostBoard(tmp_path) as host:
        async with asking(host) as board:
            info = await upgrade(board, model("1.0.0", tflite))
            assert (info.version, info.model.version, info.model.name, info.model.state) == ("1.0.0", "1.0.0", "digits", "trial")
            info = await restart(board, info)
            assert (info.version, info.model.version) == ("1.0.0", "")
            with pytest.raises(BoardRefused, match="refuses the new model: not a"):
                await upgrade(board, model("2.0.0", b"no model that an engine takes"))
            with pytest.raises(BoardRefused, match="has not passed its self-test"):
                await board.confirm()
            info = await restart(board, info)
            assert (info.version, info.model.version) == ("1.0.0", "")


async def test_nothing_foreign_is_kept(tmp_path: Path) -> None:
    await provision(tmp_path)
    other = tmp_path / "other.pem"
    generate_key(other)
    genuine = firmware("2.0.0")
    flipped = bytearray(genuine)
    flipped[700] ^= 0x10
    foreign = [
        sign_firmware(b"code", FirmwareLabel("host", "2.0.0", 1), other),
        sign_firmware(b"code", FirmwareLabel("mps2-an385", "2.0.0", 1), development_key("host")),
        sign_firmware(b"code", FirmwareLabel("host", "2.0.0", 1, "loaded", 0x20000000), development_key("host")),
        bytes(flipped),
        genuine + b"\0",
    ]
    with HostBoard(tmp_path) as host:
        async with asking(host) as board:
            for data in foreign:
                with pytest.raises(BoardRefused):
                    await send(board, data)
            with pytest.raises(BoardRefused):
                await send(board, genuine, MODEL)
            assert [slot.version for slot in await board.images()] == ["1.0.0"]
            info = await restart(board, await board.info())
            assert info.version == "1.0.0"


@pytest.mark.parametrize("torn", [False, True], ids=["before", "torn"])
async def test_power_cuts_in_a_running_upgrade(tmp_path: Path, torn: bool) -> None:
    """At every operation of flash, as the exhaustive test in C++; here with the protocol, the process and its file around it."""
    await provision(tmp_path)
    pristine = (tmp_path / "flash.bin").read_bytes()
    for number in range(1, 40):
        (tmp_path / "flash.bin").write_bytes(pristine)
        with HostBoard(tmp_path, "--cut-at", str(number), *(["--torn"] if torn else [])) as host:
            try:
                async with asking(host) as board:
                    await upgrade(board, firmware("2.0.0"))
                    await board.confirm()
                    await restart(board, await board.info())
                break
            except EdgedError as error:
                assert isinstance(error, PortLost | BoardSilent), error
            assert host.died() == CUT_STATUS
        with HostBoard(tmp_path) as host:
            async with asking(host) as board:
                info = await board.info()
                assert info.mode == "app"
                assert info.version in {"1.0.0", "2.0.0"}
    assert number > 10


async def test_faults_in_a_row_end_in_the_loader(tmp_path: Path) -> None:
    await provision(tmp_path)
    with HostBoard(tmp_path) as host:
        async with asking(host) as board:
            boots = (await board.info()).boots
            for _ in range(3):
                os.kill(host.pid, signal.SIGSEGV)
                info = await board.info()
                boots += 1
                assert (info.reset_reason, info.boots) == (RESET_BY_FAULT, boots)
            assert info.mode == "loader"
            info = await restart(board, info)
            assert (info.mode, info.version) == ("app", "1.0.0")


async def test_the_loader_is_there_for_who_asks(tmp_path: Path) -> None:
    await provision(tmp_path)
    with HostBoard(tmp_path) as host:
        async with asking(host) as board:
            before = await board.info()
            await board.reset(to_loader=True)
            while (info := await board.info()).boots == before.boots:
                pass
            assert info.mode == "loader"
            with pytest.raises(BoardRefused):
                await board.confirm()
            assert (await restart(board, info)).mode == "app"


async def test_a_line_has_its_pace(tmp_path: Path) -> None:
    await provision(tmp_path)
    data = sign_firmware(bytes(20_000), FirmwareLabel("host", "2.0.0", 1), development_key("host"))
    with HostBoard(tmp_path, baud=BAUD) as host:
        async with asking(host) as board:
            started_s = time.monotonic()
            await send(board, data)
            elapsed_s = time.monotonic() - started_s
    assert elapsed_s >= len(data) * 4 / 3 * 10 / BAUD, "base64 in characters of ten bits"


async def test_flash_belongs_to_one_board(tmp_path: Path) -> None:
    with HostBoard(tmp_path):
        command = [built("host", "edged-mcu"), "--flash", tmp_path / "flash.bin"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "is the flash of another board" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--baud", "9600"], ["--flash", "x", "--baud", "fast"], ["--flash", "x", "y"]])
def test_what_is_no_command(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run([built("host", "edged-mcu"), *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr
