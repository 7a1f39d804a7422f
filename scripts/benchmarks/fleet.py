"""A fleet takes an update, a tenth of it first: how long, and what each device costs the broker.

The devices are simulated, a few hundred in a process; what they say and hear is real: connection, announcement, verification (once
for each process and bundle), draw, download to the disk, status. Bytes are those that the broker says it has sent from the first
change of the rollout on, for each device and byte of the bundle.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from edged.core.clock import ClockReading
from edged.mqtt.carrier import MqttCarrier
from edged.mqtt.settings import MqttSettings
from edged.mqtt.updates import encode_updates
from edged.ota.announcement import announced
from edged.ota.download import download
from edged.ota.rollout import Device, judge, takes_part
from edged.ota.status import State, UpdateStatus
from edged.ota.target import SignedTarget
from edged.ota.topics import UpdateTopics
from edged.ota.trust.keeper import verify
from edged.ota.trust.records import Floor, Verified, Verify
from edged.ota.upload import Blob, announce, push, statuses
from edged.testing.broker import Mosquitto

FLEET, CHANNEL, CANARY_PERCENT = "bench", "stable", 10
TOPICS = UpdateTopics("edged/v1", FLEET)
CONNECTS_PER_S = 100
PATIENCE_S = 1800
SENT = "$SYS/broker/bytes/sent"


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--devices", type=int, default=1000, help="how many (default %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="that they share (default %(default)s)")
    parser.add_argument("--bytes", type=int, default=1_000_000, help="size of the model (default %(default)s)")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory(prefix="edged-fleet-") as name, Progress(*columns, console=console) as progress:
        return asyncio.run(_run(arguments, Path(name), progress))


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{result['devices']} devices take {result['bundle_bytes']:,} bytes", title_justify="left")
    for heading in ("stage", "devices", "seconds", "their states"):
        table.add_column(heading)
    for stage in result["stages"]:
        states = ", ".join(f"{count} {state}" for state, count in stage["states"].items())
        table.add_row(stage["name"], str(stage["devices"]), f"{stage['seconds']:.1f}", states)
    console.print(table)
    console.print(f"bytes for each device and byte of the bundle: {result['ratio']:.4f}")


async def _run(arguments: argparse.Namespace, scratch: Path, progress: Progress) -> dict[str, Any]:
    from edged.ota.publisher.founding import create
    from edged.ota.publisher.publisher import Publisher
    from edged.ota.publisher.release import Article, RolloutChange

    def clock() -> datetime:
        return datetime.now(UTC)

    root = create(scratch / "updates", FLEET, CHANNEL, lambda _: "bench fleet", clock)
    publisher = Publisher(scratch / "updates", lambda _: "bench fleet", clock)
    files = {"model.tflite": os.urandom(arguments.bytes)}
    signed = publisher.sign(CHANNEL, Article(kind="model", id="m", version="1", files=files), RolloutChange(percent=0))
    blob = Blob(publisher.directory.blob(signed.sha256))
    broker_directory = scratch / "broker"
    broker_directory.mkdir()
    names = [f"d{number}" for number in range(arguments.devices)]
    with Mosquitto(broker_directory, options="sys_interval 1") as broker:
        async with _carrier(broker.port, "publisher") as carrier, Fleet(arguments, scratch, broker.port, root, progress) as fleet:
            await push(carrier, TOPICS, blob, lambda *_: None)
            await announce(carrier, TOPICS, CHANNEL, publisher.directory.bundle(CHANNEL))
            stages = [await fleet.stage("nobody yet", carrier, lambda states: states["queued"] == len(names))]
            before = await _sent(carrier)
            for name, percent in (("canary", CANARY_PERCENT), ("all", 100)):
                signed = publisher.rollout(CHANNEL, signed.path, RolloutChange(percent=percent))
                meant = sum(takes_part(signed.target.rollout, _device(it)) for it in names)
                await announce(carrier, TOPICS, CHANNEL, publisher.directory.bundle(CHANNEL))
                stages.append(await fleet.stage(name, carrier, _all_heard(len(names), meant)))
            sent = await _sent(carrier) - before - fleet.asked_bytes
    ratio = sent / len(names) / len(blob.data)
    return {"devices": len(names), "bundle_bytes": len(blob.data), "ratio": ratio, "stages": stages}


def _all_heard(devices: int, meant: int) -> Callable[[Counter[str]], bool]:
    return lambda states: states["confirmed"] == meant and states["confirmed"] + states["queued"] == devices


class Fleet:
    """The processes of the devices, and the newest state that each told of; every stage ends with the broker's word for it."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path, port: int, root: Path, progress: Progress) -> None:
        share = -(-arguments.devices // arguments.processes)
        ranges = [(first, min(first + share, arguments.devices)) for first in range(0, arguments.devices, share)]
        self._commands = [[__file__, str(port), str(first), str(end), str(root), str(scratch)] for first, end in ranges]
        self._devices = arguments.devices
        self._progress = progress
        self._states: dict[str, str] = {}
        self._heard = 0
        self._changed = asyncio.Event()
        self._stack = AsyncExitStack()
        self.asked_bytes = 0

    async def __aenter__(self) -> Fleet:
        for command in self._commands:
            process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
            reading = asyncio.create_task(self._read(process))
            self._stack.push_async_callback(self._end, process, reading)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _end(self, process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            name, state = line.decode().split()
            self._states[name] = state
            self._heard += 1
            self._changed.set()

    async def stage(self, name: str, carrier: MqttCarrier, done: Callable[[Counter[str]], bool]) -> dict[str, Any]:
        task, started = self._progress.add_task(name, total=self._devices), time.perf_counter()
        heard_before = self._heard
        async with asyncio.timeout(PATIENCE_S):
            while not (done(states := Counter(self._states.values())) and self._heard - heard_before >= self._devices):
                self._progress.update(task, completed=states["confirmed"] or states["queued"])
                self._changed.clear()
                await self._changed.wait()
        seconds = time.perf_counter() - started
        self._progress.update(task, completed=states["confirmed"] or states["queued"])
        said = await statuses(carrier, TOPICS)
        self.asked_bytes += sum(len(payload) + len(TOPICS.statuses) + len(device) for device, payload in said.items())
        found = Counter(update["state"] for payload in said.values() for update in json.loads(payload)["updates"])
        if found != Counter(self._states.values()):
            raise RuntimeError(f"the broker has {found}, the devices told of {states}")
        return {"name": name, "devices": found["confirmed"], "seconds": seconds, "states": dict(found)}


async def _sent(carrier: MqttCarrier) -> int:
    """Bytes that the broker has sent to everybody, of a count that it made after now."""
    async with carrier.watch(SENT) as counts:
        for _ in range(3):  # the retained one, one that may be under way, and one that was not
            count = int(await anext(counts))
    return count


@asynccontextmanager
async def _carrier(port: int, name: str) -> Any:
    carrier = MqttCarrier(MqttSettings(host="127.0.0.1", port=port), f"edged-{FLEET}-{name}", TOPICS.reply(name))
    running = asyncio.create_task(carrier.run())
    try:
        yield carrier
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _device(name: str) -> Device:
    return Device(name, machine="aarch64", edged="1", groups=frozenset())


def _now() -> ClockReading:
    return ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")


# A process of devices


class _Open:
    async def wait(self) -> None:
        pass


class Trust:
    """Verifies each bundle once for all devices of the process."""

    def __init__(self, root: Path, directory: Path) -> None:
        self._root = root.read_bytes()
        self._directory = directory
        self._verified: dict[bytes, asyncio.Task[Verified]] = {}

    async def verify(self, bundle: bytes) -> Verified:
        if bundle not in self._verified:
            request = Verify(
                fleet=FLEET,
                channel=CHANNEL,
                root=self._root,
                bundle=bundle,
                floor=Floor(),
                directory=str(self._directory),
                clock_unix_s=int(time.time()),
                synchronised=True,
            )
            self._verified[bundle] = asyncio.create_task(verify(request))
        return await asyncio.shield(self._verified[bundle])


async def _follow(name: str, wait_s: float, port: int, parts: Path, trust: Trust) -> None:
    await asyncio.sleep(wait_s)
    serves = ""
    async with _carrier(port, name) as carrier, announced(carrier, TOPICS, CHANNEL) as bundles:
        async for bundle in bundles:
            (signed,) = (await trust.verify(bundle)).targets
            answer = judge(signed.target, _device(name), _now())
            if answer.code == "ok" and serves != signed.sha256:
                path = await download(carrier, TOPICS, signed, parts, progress=lambda *_: None, gate=_Open())
                if await asyncio.to_thread(_sha256, path) != signed.sha256:
                    raise RuntimeError(f"{path} is something else")
                serves = signed.sha256
                path.unlink()
            state: State = "confirmed" if serves == signed.sha256 else "queued"
            await carrier.publish(f"edged/v1/{FLEET}/{name}/ota/status", _said(signed, state, answer.code), retain=True)
            print(name, state, flush=True)


def _said(signed: SignedTarget, state: State, code: Any) -> bytes:
    it, there = signed.target, signed.target.chunks.count if state == "confirmed" else 0
    status = UpdateStatus(
        kind=it.kind,
        id=it.id,
        sequence=it.sequence,
        version=it.version,
        sha256=signed.sha256,
        state=state,
        code=code,
        detail="",
        chunks=there,
        chunks_total=it.chunks.count,
        at_ns=time.monotonic_ns(),
    )
    return encode_updates([status], _now())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _work(port: int, first: int, end: int, root: Path, scratch: Path) -> None:
    trust = Trust(root, scratch / f"trust-{first}")
    async with asyncio.TaskGroup() as group:
        for number in range(first, end):
            parts = scratch / "parts" / f"d{number}"
            group.create_task(_follow(f"d{number}", (number - first) / CONNECTS_PER_S, port, parts, trust))


if __name__ == "__main__":
    asyncio.run(_work(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5])))
