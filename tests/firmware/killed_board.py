"""Power cuts to an emulated board while its firmware and model are updated: SIGKILL to QEMU, whose flash is a file.

Where a cut can fall: between two flash operations. QEMU carries out a page program and a sector's erase each as one, so what a cut
leaves of a torn one is not seen here, but by firmware/boot/power_cut_test.cc, which tears every operation. What is seen here and
nowhere else: the real loader and application, their real driver and their real moments. An update is some 30 to 60 packets of
flash operations, which are cut at random offsets; a change of state is one record, which is cut at random moments after its order
was sent, and as soon as the record is seen in the file; a start reads and verifies for most of its time, and is cut throughout.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from emulated import EMCRAFT, Rig
from stock import Stock, vector

from edged.core.errors import BoardSilent, PortLost
from edged.mcu import report
from edged.mcu.image import parse
from edged.mcu.info import FIRMWARE, MODEL, ImageNumber

JOURNAL_BYTES = 0x20000
PHASES = ("upload", "test", "start", "confirm", "revert", "record")
SHARES = (6, 2, 4, 2, 3, 3)
"""How often each comes up: an upload is long, and a start is."""

ORDER_S = 0.08
"""Within this an order is carried out; cuts are spread over it."""

START_S = 0.8
"""A start with both verifications and a self-test, likewise."""

SEEN_S = 30.0
"""Within this the last change is seen, unless two of them passed for one, as they may on a busy machine."""

BALLAST_BYTES = 140_000
"""What firmware is filled up to, so that its upload erases three sectors."""

SINE = (vector(b"\x00", b"\x00", 255),)


@dataclass
class Outcome:
    """What came of it. ``problems`` says in words what was promised and not kept."""

    cuts: dict[str, int]
    seed: int
    seconds: float = 0.0
    started_old: int = 0
    started_new: int = 0
    on_trial: int = 0
    mended: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scene:
    """Flash files from which a phase begins, and what is old and new on them, by kind of image."""

    stock: Stock
    old: dict[ImageNumber, bytes]
    new: dict[ImageNumber, bytes]
    images: dict[ImageNumber, bytes]
    fresh: Path
    uploaded: dict[ImageNumber, Path]
    pending: dict[ImageNumber, Path]

    @classmethod
    async def prepare(cls, directory: Path, data: Path) -> Scene:
        """Builds, signs, and takes a device through an update, keeping its flash at each step."""
        stock = Stock.of(EMCRAFT, directory, data)
        images: dict[ImageNumber, bytes] = {
            FIRMWARE: stock.firmware("1.1.0", stock.code + bytes(BALLAST_BYTES - len(stock.code))),
            MODEL: stock.model("1.1.0", stock.sine, SINE * 2000),  # each takes 20 bytes, and some microseconds
        }
        first = stock.firmware("1.0.0"), stock.model("1.0.0", stock.sine, SINE)
        fresh = stock.flash(directory / "fresh", *first)
        async with Rig(EMCRAFT, stock.loader, flash=fresh) as rig:
            await rig.started(self_test=1)
            assert rig.qemu.settle()
        uploaded: dict[ImageNumber, Path] = {}
        pending: dict[ImageNumber, Path] = {}
        for kind, image in images.items():
            uploaded[kind] = Path(shutil.copy(fresh, directory / f"uploaded-{kind}"))
            async with Rig(EMCRAFT, stock.loader, flash=uploaded[kind]) as rig:
                await rig.started()
                new = await rig.upload(kind, image)
                assert rig.qemu.settle()
            pending[kind] = Path(shutil.copy(uploaded[kind], directory / f"pending-{kind}"))
            async with Rig(EMCRAFT, stock.loader, flash=pending[kind]) as rig:
                await rig.started()
                await rig.board.test(new)
                assert rig.qemu.settle()
        old: dict[ImageNumber, bytes] = {FIRMWARE: parse(first[0]).hash, MODEL: parse(first[1]).hash}
        return cls(stock, old, {kind: parse(image).hash for kind, image in images.items()}, images, fresh, uploaded, pending)


@dataclass(frozen=True, slots=True)
class Point:
    """One cut: in which phase of which image's update, and when: a share of the phase, between 0 and 1."""

    phase: str
    kind: ImageNumber
    when: float
    mend: bool


def draw(rng: random.Random, count: int) -> list[Point]:
    """The cuts of a run; the first six are one of each phase."""
    phases = list(PHASES) + rng.choices(PHASES, SHARES, k=max(0, count - len(PHASES)))
    return [Point(phase, rng.choice((FIRMWARE, MODEL)), rng.random(), index % 4 == 0) for index, phase in enumerate(phases[:count])]


class Cut:
    """Carries one out on a copy of a flash file."""

    def __init__(self, scene: Scene, point: Point, flash: Path) -> None:
        self._scene = scene
        self._point = point
        self._flash = flash
        self._confirmed = False

    async def run(self, outcome: Outcome) -> None:
        """Cuts, starts again, and adds to ``outcome`` what was seen."""
        begin = {"upload": self._scene.fresh, "test": self._scene.uploaded[self._point.kind]}
        shutil.copy(begin.get(self._point.phase, self._scene.pending[self._point.kind]), self._flash)
        async with Rig(EMCRAFT, self._scene.stock.loader, flash=self._flash) as rig:
            with contextlib.suppress(PortLost, BoardSilent):
                await getattr(self, f"_{self._point.phase}")(rig)
        await self._judge(outcome)

    async def _upload(self, rig: Rig) -> None:
        await rig.started()
        image = self._scene.images[self._point.kind]
        until = int(self._point.when * len(image))
        rng = random.Random(self._point.when)

        def cut_at(reached: int) -> None:
            if reached >= until:
                asyncio.get_running_loop().call_later(rng.random() * ORDER_S, rig.qemu.cut_power)

        hash_ = self._scene.new[self._point.kind]
        await rig.board.upload(self._point.kind, image, hash_, lambda progress: cut_at(progress.sent_bytes))
        await self._silence(rig)

    async def _test(self, rig: Rig) -> None:
        await rig.started()
        self._cut_after(rig, self._point.when * ORDER_S)
        await rig.board.test(self._scene.new[self._point.kind])
        await self._silence(rig)

    async def _start(self, rig: Rig) -> None:
        self._cut_after(rig, self._point.when * START_S)
        await self._silence(rig)

    async def _confirm(self, rig: Rig) -> None:
        await rig.started()
        self._cut_after(rig, self._point.when * ORDER_S)
        await rig.board.confirm()
        self._confirmed = rig.qemu.settle()
        await self._silence(rig)

    async def _revert(self, rig: Rig) -> None:
        await rig.started()
        await rig.board.reset()
        await rig.said(report.Bye)
        self._cut_after(rig, self._point.when * START_S)
        await self._silence(rig)

    async def _record(self, rig: Rig) -> None:
        """The cut comes as soon as the n-th change of the journal is seen from outside: trial, confirmation, next start."""
        changes = 1 + int(self._point.when * 3)
        watching = asyncio.create_task(self._cut_at_change(rig, changes))
        try:
            await rig.started()
            await rig.board.confirm()
            self._confirmed = rig.qemu.settle()
            await rig.restart()
            await asyncio.wait([watching], timeout=SEEN_S)
            rig.qemu.cut_power()
        finally:
            watching.cancel()

    async def _cut_at_change(self, rig: Rig, changes: int) -> None:
        with self._flash.open("rb", buffering=0) as file:
            last = file.read(JOURNAL_BYTES)
            while changes:
                await asyncio.sleep(0)
                file.seek(0)
                now = file.read(JOURNAL_BYTES)
                changes -= now != last
                last = now
        rig.qemu.cut_power()

    def _cut_after(self, rig: Rig, delay_s: float) -> None:
        asyncio.get_running_loop().call_later(delay_s, rig.qemu.cut_power)

    async def _silence(self, rig: Rig) -> None:
        """Until the port is gone."""
        async for _ in rig.reports:
            pass

    async def _judge(self, outcome: Outcome) -> None:
        kind, scene = self._point.kind, self._scene
        async with Rig(EMCRAFT, scene.stock.loader, flash=self._flash) as rig:
            try:
                health = await rig.started()
            except TimeoutError:
                outcome.problems.append(f"{self._point}: a brick")
                return
            info = await rig.board.info()
            running = {FIRMWARE: info.hash, MODEL: info.model.hash}[kind]
            outcome.started_new += running == scene.new[kind]
            outcome.started_old += running == scene.old[kind]
            on_trial = 1 in (health.fw_state, health.model_state)
            outcome.on_trial += on_trial
            if health.self_test != 1:
                outcome.problems.append(f"{self._point}: its self-test says {health.self_test}")
            if running not in (scene.new[kind], scene.old[kind]):
                outcome.problems.append(f"{self._point}: it runs {running.hex()}, which is neither old nor new")
            if self._confirmed and (on_trial or running != scene.new[kind]):
                outcome.problems.append(f"{self._point}: what was confirmed does not run")
            if on_trial:
                await self._see_it_go_back(rig, outcome)
            if self._point.mend:
                await self._mend(rig, outcome)

    async def _see_it_go_back(self, rig: Rig, outcome: Outcome) -> None:
        health = await rig.restart()
        info = await rig.board.info()
        running = {FIRMWARE: info.hash, MODEL: info.model.hash}[self._point.kind]
        if running != self._scene.old[self._point.kind] or 1 in (health.fw_state, health.model_state):
            outcome.problems.append(f"{self._point}: a trial that nobody confirmed did not go back")

    async def _mend(self, rig: Rig, outcome: Outcome) -> None:
        """Whatever was cut, the same update goes through afterwards."""
        kind, new = self._point.kind, self._scene.new[self._point.kind]
        slots = [slot for slot in await rig.board.images() if slot.image == kind]
        if not any(slot.hash == new and slot.active for slot in slots):
            if not any(slot.hash == new for slot in slots):
                await rig.board.upload(kind, self._scene.images[kind], new)
            await rig.board.test(new)
            await rig.restart()
            await rig.board.confirm()
        health = await rig.restart()
        info = await rig.board.info()
        running = {FIRMWARE: info.hash, MODEL: info.model.hash}[kind]
        if running != new:
            outcome.problems.append(f"{self._point}: the update does not go through afterwards: {running.hex()} runs")
        if health.self_test != 1:
            outcome.problems.append(f"{self._point}: after the update its self-test says {health.self_test}")
        outcome.mended += 1


async def run(count: int, seed: int, directory: Path, data: Path, tell: Callable[[int], None] = lambda done: None) -> Outcome:
    """``count`` cuts that ``seed`` decides."""
    begun_s = time.monotonic()
    scene = await Scene.prepare(directory, data)
    points = draw(random.Random(seed), count)
    outcome = Outcome(dict(Counter(point.phase for point in points)), seed)
    for done, point in enumerate(points, 1):
        await Cut(scene, point, directory / "flash").run(outcome)
        tell(done)
    outcome.seconds = time.monotonic() - begun_s
    return outcome
