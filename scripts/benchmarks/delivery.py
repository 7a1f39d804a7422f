"""From the store to the broker: events a second, and bytes written to the medium for each event, by how the events come.

The store, the publisher and a broker on this machine, without a vision process. Bytes are what the kernel counted for this process,
which is 0 on a file system in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edged.core.clock import ClockReading
from edged.core.event import ObjectLeft
from edged.mqtt.publisher import Publisher
from edged.mqtt.settings import MqttSettings
from edged.store.settings import StoreSettings
from edged.store.store import Store
from edged.testing.broker import Mosquitto

BOX = (120.5, 80.25, 260.75, 300.0)
STEADY_HZ = (300, 50, 5)


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, default=5000, help="events at full speed (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="length of a steady flow (default %(default)s)")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    count, seconds = arguments.events, arguments.seconds
    result = {"backlog": asyncio.run(_run(count, backlog=True)), "at once": asyncio.run(_run(count))}
    for hz in STEADY_HZ:
        result[f"{hz} a second"] = asyncio.run(_run(int(hz * seconds), hz=hz))
    return result


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title="store to broker", title_justify="left")
    for heading in ("events come", "delivered a second", "bytes written an event"):
        table.add_column(heading, justify="left" if heading == "events come" else "right")
    for how, numbers in result.items():
        table.add_row(how, f"{numbers['events_per_s']:.0f}", f"{numbers['bytes_per_event']:.0f}")
    console.print(table)


async def _run(count: int, *, hz: float = 0, backlog: bool = False) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as directory, Mosquitto(scratch := Path(directory)) as broker:
        async with Store.open(scratch / "events.db", "bench", StoreSettings(), _clock, publish=True) as store:
            publisher = Publisher(MqttSettings(host=broker.host, port=broker.port), "home", "bench", store, _clock)
            feed = _steady if hz else _at_once
            if backlog:
                await feed(store, count, hz)
            before_bytes, started = _written_bytes(), time.perf_counter()
            serving = asyncio.create_task(publisher.run())
            if not backlog:
                await feed(store, count, hz)
            await publisher.drained()
            seconds = time.perf_counter() - started
            written = _written_bytes() - before_bytes
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
    return {"events_per_s": count / seconds, "bytes_per_event": written / count}


async def _at_once(store: Store, count: int, _hz: float) -> None:
    for first in range(0, count, 100):
        await store.append([_event(number) for number in range(first, min(count, first + 100))])


async def _steady(store: Store, count: int, hz: float) -> None:
    started, appends = time.monotonic(), []
    for number in range(count):
        await asyncio.sleep(started + number / hz - time.monotonic())
        appends.append(asyncio.create_task(store.append([_event(number)])))
    await asyncio.gather(*appends)


def _event(number: int) -> ObjectLeft:
    path = tuple((float(n), 300.0) for n in range(8))
    return ObjectLeft("door", f"door-{number}", "person", "left", 2.0, 0.9, BOX, BOX, path, time.monotonic_ns(), None, "a" * 64)


def _clock() -> ClockReading:
    return ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")


def _written_bytes() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])
