"""SIGKILL to a process that downloads, and restarts of the broker, at random moments of one update: what is fetched again, and
whether what comes of it is right.

Between the process and the broker stands a gate that counts what comes from the broker, and lets it through no faster than a slow
network would, so that there is a middle to interrupt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from broker import Gate
from updates import TOPICS, carrier_on, make_blob, signed_for

from edged.ota.part import Part
from edged.ota.target import CHUNK_BYTES
from edged.ota.transfer import WINDOW
from edged.ota.upload import push
from edged.testing.broker import Mosquitto

PATIENCE_S = 180
BYTES_PER_S = 2_000_000
DEPTH_BYTES = 5 * CHUNK_BYTES
"""A fault comes at a random byte of so many since the one before."""


@dataclass(frozen=True)
class Plan:
    """How many faults of each kind, during the update of a blob of so many bytes."""

    kills: int
    restarts: int
    blob_bytes: int
    seed: int


@dataclass
class Outcome:
    """``again_max``: most chunks that were fetched again for one interruption. ``problems`` says what was promised and not kept."""

    interruptions: dict[str, int]
    seed: int
    chunks: int = 0
    seconds: float = 0.0
    again_total: int = 0
    again_max: float = 0.0
    problems: list[str] = field(default_factory=list)


class Scene:
    """A process that downloads, and whoever interrupts it."""

    def __init__(self, directory: Path, mosquitto: Mosquitto, gate: Gate, plan: Plan) -> None:
        self._mosquitto = mosquitto
        self._gate = gate
        self.blob = make_blob(plan.blob_bytes, plan.seed)
        self._signed = signed_for(self.blob)
        self._parts = directory / "parts"
        self._part = Part(self._parts, self.blob.sha256, len(self.blob.data))
        self._digests = tuple(self.blob.index[at : at + 32] for at in range(0, len(self.blob.index), 32))
        self._process: asyncio.subprocess.Process | None = None

    @property
    def path(self) -> Path:
        return self._part.path

    @property
    def ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    def held(self) -> int:
        return len(self._part.scan(self._digests)) if self._part.path.exists() else 0

    async def start(self) -> None:
        signed = msgspec.json.encode(self._signed).decode()
        command = [sys.executable, "-m", "faults.fetcher", str(self._gate.port), str(self._parts), signed]
        environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent.parent))
        self._process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.DEVNULL)

    async def flow(self, down_bytes: float) -> None:
        """Wait until so much came from the broker, or the process has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while self._gate.down_bytes < down_bytes and not self.ended:
                await asyncio.sleep(0.001)

    async def end(self) -> int:
        assert self._process is not None
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()

    async def kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def restart_broker(self) -> None:
        await asyncio.to_thread(self._mosquitto.stop)
        await asyncio.to_thread(self._mosquitto.start)


async def run(plan: Plan, directory: Path, on_fault: Callable[[int, int], None]) -> Outcome:
    """Carry out the plan; ``on_fault`` is told how many faults are done, and how many chunks are there."""
    started, rng = time.monotonic(), random.Random(plan.seed)
    faults = ["kill"] * plan.kills + ["restart"] * plan.restarts
    rng.shuffle(faults)
    outcome = Outcome(dict(Counter(faults)), plan.seed)
    broker_directory = directory / "broker"
    broker_directory.mkdir()
    with Mosquitto(broker_directory, persistence=True) as mosquitto:
        async with Gate(mosquitto.port, bytes_per_s=BYTES_PER_S) as gate:
            scene = Scene(directory, mosquitto, gate, plan)
            async with carrier_on(mosquitto.port, "publisher") as publisher:
                await push(publisher, TOPICS, scene.blob, lambda *_: None)
            outcome.chunks = len(scene.blob.chunks)
            try:
                await interrupt(scene, gate, faults, rng, outcome, on_fault)
            finally:
                await scene.kill()
    outcome.seconds = time.monotonic() - started
    return outcome


async def interrupt(
    scene: Scene, gate: Gate, faults: list[str], rng: random.Random, outcome: Outcome, on_fault: Callable[[int, int], None]
) -> None:
    """Fault after fault. What a process that was killed had fetched, and what is there more than before it began, differ by what
    will be fetched again: at most a window for the kill, and one for each restart of the broker under it."""
    await scene.start()
    held, down, restarts = 0, gate.down_bytes, 0
    for done, fault in enumerate(faults, start=1):
        await scene.flow(gate.down_bytes + rng.uniform(0, DEPTH_BYTES))
        if scene.ended:
            outcome.problems.append(f"the update was over before fault {done} of {len(faults)}")
            break
        if fault == "restart":
            await scene.restart_broker()
            restarts += 1
        else:
            await scene.kill()
            held, down, restarts = account(scene, gate, held, down, restarts, outcome)
            await scene.start()
        on_fault(done, held)
    if (status := await scene.end()) != 0:
        outcome.problems.append(f"the download ended with {status}")
    account(scene, gate, held, down, restarts - 1, outcome)
    if scene.path.read_bytes() != scene.blob.data:
        outcome.problems.append("the blob is not the one that was pushed")


def account(scene: Scene, gate: Gate, held: int, down: int, restarts: int, outcome: Outcome) -> tuple[int, int, int]:
    now_held, now_down = scene.held(), gate.down_bytes
    again = (now_down - down) / CHUNK_BYTES - (now_held - held)
    interruptions = restarts + 1
    outcome.again_total += max(0, round(again))
    if interruptions:
        outcome.again_max = max(outcome.again_max, round(again / interruptions, 2))
    # What is not chunk data of what came: topics and acknowledgements, the index at most once in each process.
    overhead = 0.01 * (now_down - down) / CHUNK_BYTES + (len(scene.blob.index) + 2048 * (1 + max(0, restarts))) / CHUNK_BYTES
    if again > WINDOW * interruptions + overhead:
        outcome.problems.append(f"{again:.1f} chunks are fetched again after {interruptions} interruptions")
    return now_held, now_down, 0
