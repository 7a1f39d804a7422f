"""Two boards that follow the same image, kept by what the daemon keeps them with, and a bundle for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from broker import DEADLINE_S, running, until

from edged.core.event import Occurrence
from edged.daemon.given_up import GivenUp
from edged.daemon.mcu_bench import McuBench
from edged.daemon.mcus import Mcus
from edged.daemon.publishing import Publishing
from edged.mcu.image import parse
from edged.mcu.settings import McuSettings
from edged.ota.judgement import Verdict
from edged.ota.target import Chunks, SignedTarget, Target
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.testing.mcu_image import Key, make_image

PATH = "mcu-model/person"
KEY = Key()
BACK_S = 3.0
WATCHDOG = 2
"""Of the reasons of a start."""
SIGNED = SignedTarget(
    target=Target(kind="mcu-model", id="person", sequence=1, version="2", chunks=Chunks(count=1, index_sha256="0" * 64)),
    length=1,
    sha256="0" * 64,
)


@dataclass
class Scene:
    """Two boards that follow the same id, and a bundle for them."""

    boards: tuple[FakeMcu, FakeMcu]
    mcus: Mcus
    bench: McuBench
    bundle: Path

    @property
    def models(self) -> list[str]:
        """What they run, and whether they keep it."""
        slots = [mcu.board.model for mcu in self.boards]
        return [f"{image.version} {it.state}" for it in slots if (image := it.image(it.running))]

    @property
    def troubles(self) -> list[str]:
        """What health says of updates, by board."""
        seen = self.mcus.observe(0)
        return [it.state.mcu for it in seen for code, _ in it.problems if code == "mcu_update_failed"]

    async def all_there(self) -> None:
        """Wait until both said who they are."""
        await until(lambda: all(keeper.present for keeper in self.mcus.keepers.values()))


def model(version: int) -> bytes:
    return make_image(bytes([version]) * 100, KEY, board="host", version=(version, 0, 0), model="person")


def board(runs: int = 1) -> FakeBoard:
    """One that has model 1 from the factory, and ``runs`` it, or one that was installed since."""
    made = FakeBoard(key=KEY)
    made.firmware.put(make_image(b"firmware", KEY, board="host"))
    made.model.put(model(1))
    if runs != 1:
        made.model.write(0, data := model(runs), len(data), None)
        made.model.request(parse(data).hash)
        made.model.reset()
        made.model.confirm()
    return made


@asynccontextmanager
async def set_up(directory: Path, away_s: float | None = None, back_s: float = BACK_S, runs: int = 1) -> AsyncIterator[Scene]:
    bundle = directory / "bundle"
    bundle.mkdir()
    (bundle / "image.bin").write_bytes(model(2))
    happened: list[Occurrence] = []

    async def put(occurrence: Occurrence) -> None:
        happened.append(occurrence)

    async with AsyncExitStack() as stack:
        names = ("porch", "yard")
        fakes = [FakeMcu(board(runs), directory / name, health_s=0.05, away_s=away_s) for name in names]
        boards = [await stack.enter_async_context(fake) for fake in fakes]
        settings = {name: McuSettings(port=str(directory / name), follow_model="person") for name in names}
        mcus = Mcus(settings, put, Publishing(None), lambda: None)
        bench = McuBench(mcus, 0.1, lambda path: None, GivenUp(directory / "given-up"), back_s=back_s, again_s=0.01)
        await stack.enter_async_context(running(mcus.run()))
        await stack.enter_async_context(running(bench.run()))
        await until(lambda: len(mcus.keepers) == 2 and all(keeper.present for keeper in mcus.keepers.values()))
        yield Scene((boards[0], boards[1]), mcus, bench, bundle)


async def verdict_on(bench: McuBench) -> Verdict:
    async with asyncio.timeout(DEADLINE_S):
        while not (verdict := bench.trial(PATH)):
            await asyncio.sleep(0.01)
    assert isinstance(verdict, Verdict)
    return verdict
