"""Images on a bad line to the firmware's own port for this machine: what arrives is what was sent, or nothing is.

Invariant of the faults: whatever is lost, flipped, repeated or cut off, the slots hold no image but those that were signed, what
runs stays what it was, and every error is one of ours.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from building import built, development_key
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.core.errors import BoardRefused, BoardSilent, ImageRefused, PortLost
from edged.mcu import upload
from edged.mcu.board import Board
from edged.mcu.image import parse
from edged.mcu.info import FIRMWARE, SlotImage
from edged.mcu.install import bring, try_out
from edged.mcu.link import Link
from edged.mcu.transport import Patience
from edged.testing.mcu_image import Key, make_image
from edged.testing.mcu_program import McuProgram
from edged.testing.noisy import Fault, NoisyLine, no_more

QUICK = Patience(answer_s=0.3, attempts=40)
FAULTS: st.SearchStrategy[Fault] = st.sampled_from(["pass"] * 20 + ["drop", "flip", "repeat", "truncate"])
AT_ONCE = Patience(answer_s=0.05, attempts=200)
"""For hundreds of transfers: each packet that is lost costs so much."""

FAST_BAUD = 4_000_000
"""An answer is waited for as long as the line takes for a message."""

PROGRAM = os.urandom(40_000)
SMALL_BYTES = 3_800
SMALL_PACKETS = SMALL_BYTES * 4 // 3 // 124
"""At least, in lines of base64."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board is a program."""
    monkeypatch.setattr(upload, "FIRST", QUICK)
    monkeypatch.setattr(upload, "PIECE", QUICK)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    """It answers at once."""
    monkeypatch.setattr(upload, "FIRST", AT_ONCE)
    monkeypatch.setattr(upload, "PIECE", AT_ONCE)


@pytest.fixture(scope="module")
def program() -> Path:
    return built("host", "edged-mcu")


@pytest.fixture(scope="module")
def key(program: Path) -> Key:
    private = load_pem_private_key(development_key("host").read_bytes(), None)
    assert isinstance(private, EllipticCurvePrivateKey)
    return Key(private)


@pytest.fixture
def mcu(program: Path, key: Key, tmp_path: Path) -> Iterator[McuProgram]:
    """A board that runs a firmware 1.0.0, confirmed."""
    with McuProgram(program, tmp_path / "flash", tmp_path / "port") as mcu:
        asyncio.run(install(mcu.path, firmware(key, "1.0.0")))
        yield mcu


def firmware(key: Key, version: str, *, board: str = "host", counter: int = 1) -> bytes:
    major, minor, revision = map(int, version.split("."))
    return make_image(PROGRAM, key, board=board, version=(major, minor, revision), counter=counter)


async def install(port: Path, data: bytes) -> None:
    async with Link(port) as link:
        board = Board(link)
        await try_out(board, await bring(board, parse(data), data))
        await board.confirm()


async def slots(port: Path) -> tuple[SlotImage, ...]:
    async with Link(port) as link:
        return await Board(link).images()


def test_a_firmware_comes_is_tried_and_kept(mcu: McuProgram, key: Key) -> None:
    asyncio.run(install(mcu.path, firmware(key, "1.1.0")))
    held = {slot.version: slot for slot in asyncio.run(slots(mcu.path))}
    assert held["1.1.0"].active
    assert held["1.1.0"].confirmed
    assert not held["1.0.0"].active


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(FAULTS, max_size=500))
def test_whatever_the_line_does(mcu: McuProgram, key: Key, faults: list[Fault]) -> None:
    data = firmware(key, "2.0.0")

    async def transfer() -> bool:
        async with NoisyLine(mcu.path, no_more(faults)) as line, Link(line.path) as link:
            try:
                await bring(Board(link, QUICK), parse(data), data)
            except (BoardSilent, BoardRefused, ImageRefused):
                return False
            return True

    arrived = asyncio.run(transfer())
    held = {slot.version: slot for slot in asyncio.run(slots(mcu.path))}
    assert held["1.0.0"].active
    assert set(held) <= {"1.0.0", "2.0.0"}
    assert held["2.0.0"].hash == parse(data).hash if arrived else True


def small(key: Key, version: str) -> bytes:
    """An image of more than one message, and few packets: all of them can be spoilt."""
    major, minor, revision = map(int, version.split("."))
    return make_image(PROGRAM[:SMALL_BYTES], key, board="host", version=(major, minor, revision), counter=1)


async def bring_over(line: NoisyLine, data: bytes) -> bool:
    """Whether it arrived, over this line."""
    try:
        async with Link(line.path, FAST_BAUD) as link:
            await bring(Board(link, AT_ONCE), parse(data), data)
    except (PortLost, BoardSilent):
        return False
    return True


async def see_that_nothing_else_is_held(port: Path, *images: bytes) -> None:
    held = await slots(port)
    assert [slot.version for slot in held if slot.active] == ["1.0.0"]
    assert {slot.hash for slot in held if not slot.active} <= {parse(image).hash for image in images}


@pytest.mark.usefixtures("at_once")
def test_a_cable_that_is_pulled_after_each_packet(mcu: McuProgram, key: Key) -> None:
    """Two images take turns, so that none is there when it is sent: what was cut goes on, and then the other one comes."""
    images = small(key, "2.0.0"), small(key, "3.0.0")

    async def pull_after(packet: int) -> bool:
        data = images[packet % 2]
        async with NoisyLine(mcu.path, lambda: "pass") as line:
            line.cut_after = packet
            if await bring_over(line, data):
                return False  # it has no more
        await see_that_nothing_else_is_held(mcu.path, *images)
        async with NoisyLine(mcu.path, lambda: "pass") as line:
            assert await bring_over(line, data), packet
        await see_that_nothing_else_is_held(mcu.path, data)
        return True

    async def pull() -> int:
        return await count(pull_after, 1)

    assert asyncio.run(pull()) > SMALL_PACKETS


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("fault", ["drop", "flip", "repeat", "truncate"])
def test_a_line_that_spoils_each_packet(mcu: McuProgram, key: Key, fault: Fault) -> None:
    """The packet costs time, and the image arrives all the same."""
    images = small(key, "2.0.0"), small(key, "3.0.0")

    async def spoil(packet: int) -> bool:
        data = images[packet % 2]
        async with NoisyLine(mcu.path, no_more([*["pass"] * packet, fault])) as line:
            assert await bring_over(line, data), packet
            spoilt = line.lines > packet
        await see_that_nothing_else_is_held(mcu.path, data)
        return spoilt

    async def spoil_each() -> int:
        return await count(spoil, 0)

    assert asyncio.run(spoil_each()) > SMALL_PACKETS


async def count(does: Callable[[int], Awaitable[bool]], number: int) -> int:
    """The first number from this one on for which it does not."""
    while await does(number):
        number += 1
    return number


def test_an_upload_goes_on_where_it_was(mcu: McuProgram, key: Key) -> None:
    data = firmware(key, "2.0.0")

    async def transfer() -> int:
        with pytest.raises((PortLost, BoardSilent)):
            async with NoisyLine(mcu.path, lambda: "pass") as line:
                line.cut_after = 300
                async with Link(line.path) as link:
                    await bring(Board(link, QUICK), parse(data), data)
        async with Link(mcu.path) as link:
            brought = await bring(Board(link), parse(data), data)
        assert brought.progress is not None
        return brought.progress.resumed_bytes

    assert asyncio.run(transfer()) > 10_000


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 1 << 20), bit=st.integers(0, 7))
def test_an_image_with_a_flipped_bit_never_arrives(mcu: McuProgram, key: Key, at: int, bit: int) -> None:
    """Past the checks on this side, which would not let it out: the board refuses it by itself."""
    spoilt = bytearray(firmware(key, "2.0.0"))
    spoilt[at % len(spoilt)] ^= 1 << bit

    async def transfer() -> None:
        async with Link(mcu.path) as link:
            board = Board(link, QUICK)
            with pytest.raises(BoardRefused):
                await board.upload(FIRMWARE, bytes(spoilt), bytes(32))

    asyncio.run(transfer())
    assert [slot.version for slot in asyncio.run(slots(mcu.path))] == ["1.0.0"]


@pytest.mark.parametrize("wrong", ["key", "board", "kind"])
def test_an_image_that_the_board_must_not_take_is_refused_by_it_too(mcu: McuProgram, key: Key, wrong: str) -> None:
    data = firmware(Key() if wrong == "key" else key, "2.0.0", board="emcraft-sf2" if wrong == "board" else "host")
    if wrong == "kind":
        data = make_image(PROGRAM, key, board="host", model="person")

    async def transfer() -> None:
        async with Link(mcu.path) as link:
            with pytest.raises(BoardRefused):
                await Board(link, QUICK).upload(FIRMWARE, data, parse(data).hash)

    asyncio.run(transfer())
    assert [slot.version for slot in asyncio.run(slots(mcu.path))] == ["1.0.0"]
