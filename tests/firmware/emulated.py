"""The emulated boards: what each is called in QEMU, where its images run, and a rig to talk to one."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest
from building import built
from qemu import Qemu, available

from edged.mcu import report
from edged.mcu.board import Board
from edged.mcu.image import parse
from edged.mcu.info import ImageNumber
from edged.mcu.link import Link
from edged.mcu.transport import Patience

T = TypeVar("T", bound=report.Report)

PATIENT = Patience(answer_s=20.0, attempts=2)
"""What verifies every slot before it answers takes its time on an emulated core; a PTY loses nothing, so asking again is no use."""

NOT_RUN = 0
"""What Health says of a self-test that is not over."""

PATIENCE_S = 120
"""How long a start with its self-test may take on a busy machine; no measure of speed."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A port as QEMU runs it. ``flash_at``: where RAM stands for flash, which is then laid out before the start. The others are
    where the first slots are, on the flash.
    """

    board: str
    qemu: str
    preset: str
    load_address: int
    flash_at: int | None = None
    firmware_at: int = 0x100000
    model_at: int = 0x400000


EMCRAFT = Machine("emcraft-sf2", "emcraft-sf2", "emcraft-sf2", 0xA0000000)
MPS2_AN385 = Machine("mps2-an385", "mps2-an385", "mps2-an385", 0x00100000, 0x21000000)
MPS2_AN500 = Machine("mps2-an500", "mps2-an500", "mps2-an500", 0x00100000, 0x60000000)
MPS3_AN547 = Machine("mps3-an547", "mps3-an547", "mps3-an547", 0x11000000, 0x70000000)
GENERIC = Machine("generic", "mps2-an385", "generic", 0x00100000, 0x21000000, 0x48000, 0x88000)


def program(machine: Machine, target: str) -> Path:
    """The path of a program of the port, built if need be; skips without QEMU, except in CI."""
    if not available():
        message = "no qemu-system-arm: scripts/test installs it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return built(machine.preset, target)


class Rig:
    """A board that is on, and a link to it; ``async with`` turns it on, and its end cuts the power."""

    def __init__(self, machine: Machine, loader: Path, **options: Any) -> None:
        self.qemu = Qemu(machine.qemu, loader, **options)
        self.link: Link
        self.board: Board

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(self.qemu)
            self.link = await stack.enter_async_context(Link(self.qemu.port))
            self.board = Board(self.link, PATIENT)
            self.reports = self.link.reports()
            self.qemu.power_on()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    async def said(self, kind: type[T], **fields: object) -> T:
        """The next report of this kind with these fields."""
        async with asyncio.timeout(PATIENCE_S):
            async for one in self.reports:
                if isinstance(one, kind) and all(getattr(one, name) == value for name, value in fields.items()):
                    return one
        raise AssertionError("a feed does not end")

    async def started(self, **fields: object) -> report.Health:
        """Wait for an application that has tested itself; what it says of its health then.

        Where the test takes long it says so in the midst of it, too: its result is not there yet.
        """
        await self.said(report.Hello, mode=1)
        while (health := await self.said(report.Health, mode=1, **fields)).self_test == NOT_RUN:
            pass
        return health

    async def upload(self, number: ImageNumber, image: bytes) -> bytes:
        """Bring an image into its free slot; its hash."""
        image_hash = parse(image).hash
        await self.board.upload(number, image, image_hash)
        return image_hash

    async def restart(self) -> report.Health:
        """Reset it into its application."""
        await self.board.reset()
        await self.said(report.Bye, reason=1)
        return await self.started()
