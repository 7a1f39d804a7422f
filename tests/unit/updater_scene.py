"""A device whose updates are scripted, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from edged.ota.attempt import Kit
from edged.ota.inventory import Inventory
from edged.ota.judgement import Seen
from edged.ota.rollout import Device
from edged.ota.slots import Slot
from edged.ota.target import SignedTarget
from edged.ota.updater import Updater, Ways
from edged.testing.updates import GOOD, ScriptedBench, ScriptedWays, Told, signed_target
from edged.testing.virtual import InlineExecutor, VirtualTime

PATH = "model/m"
A1, B2 = ("a", signed_target("a", 1)), ("b", signed_target("b", 2))
WINDOW_S = 30.0
UNDECIDED = Seen(span_s=1.0, frames=5)
SLOW = dataclasses.replace(GOOD, not_finite=3)


class Scene:
    """A device, from one start to the next; ``disk`` stays."""

    def __init__(self, disk: Path) -> None:
        self.time = VirtualTime()
        self.disk = disk
        self.bench = ScriptedBench()
        self.told = Told()
        self.paths = [PATH]
        self.begin()

    def begin(self) -> None:
        self.inventory = Inventory(self.disk)
        self.inventory.start()
        self.ways = ScriptedWays(self.inventory.parts)
        kit = Kit(self.inventory, self.bench, self.told, self.time.clock, self.time.sleep, WINDOW_S)
        device = Device("pi", "aarch64", "0.1.0", frozenset())
        ways = Ways(self.ways.watch, self.ways.verify, self.ways.download)
        self.updater = Updater(self.paths, ways, kit, lambda path: device, lambda: 0.5)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.updater.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def slot(self) -> Slot:
        return self.inventory.slot(PATH)

    @property
    def serves(self) -> str | None:
        return self.bench.serves.get(PATH)

    async def confirmed(self, *things: tuple[str, SignedTarget]) -> None:
        """Have each confirmed, one after the other."""
        for content, signed in things:
            self.ways.publish((content, signed))
            await self.time.run_until(lambda signed=signed: self.told.says("confirmed", sequence=signed.target.sequence))


def make_scene(directory: Path) -> Scene:
    """To be called within an event loop."""
    asyncio.get_running_loop().set_default_executor(InlineExecutor())
    return Scene(directory)
