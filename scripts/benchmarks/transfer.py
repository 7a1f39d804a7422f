"""An update of 6 MB from the broker to the disk, against a bare client that needs the same chunks.

The bare client is paho, told to subscribe to one chunk after the other with the same window, and to write what comes to a file,
which it flushes once, at the end: no digest, no resuming, no bound. Both run in processes of their own, in turns, over the loopback
interface: a network only brings them closer together. edged flushes the disk before it asks for more than a window; what these
flushes take by themselves is told too.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from edged.mqtt.carrier import MqttCarrier
from edged.mqtt.settings import MqttSettings
from edged.ota.download import download
from edged.ota.part import Part
from edged.ota.shelf import ENOUGH
from edged.ota.target import Chunks, SignedTarget, Target
from edged.ota.topics import UpdateTopics
from edged.ota.transfer import WINDOW
from edged.ota.upload import Blob, push
from edged.testing.broker import Mosquitto

TOPICS = UpdateTopics("edged/v1", "bench")


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bytes", type=int, default=6_000_000, help="size of the update (default %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="of each client; the median counts (default %(default)s)")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    blob = Blob(os.urandom(arguments.bytes))
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Mosquitto(scratch := Path(name)) as broker:
        asyncio.run(_push(broker.port, blob))
        return {"bytes": arguments.bytes, **_compare(broker.port, blob, scratch, arguments.turns, console)}


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{result['bytes']:,} bytes from broker to disk", title_justify="left")
    for heading in ("bare client", "edged", "ratio", "flushes alone"):
        table.add_column(heading, justify="right")
    seconds = {name: f"{result[name]:.3f} s" for name in ("bare_s", "edged_s", "flushes_s")}
    table.add_row(seconds["bare_s"], seconds["edged_s"], f"{result['ratio']:.2f}", seconds["flushes_s"])
    console.print(table)


def _compare(port: int, blob: Blob, scratch: Path, turns: int, console: Console) -> dict[str, Any]:
    times: dict[str, list[float]] = {"bare": [], "edged": []}
    flushes = []
    for turn in range(turns):
        flushes.append(_flush(blob, scratch))
        for who in times if turn % 2 else reversed(times):
            with console.status(f"turn {turn + 1} of {turns}: {who}"), tempfile.TemporaryDirectory(dir=scratch) as directory:
                command = [sys.executable, __file__, who, str(port), directory, msgspec.json.encode(_signed(blob)).decode()]
                done = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            if done["sha256"] != blob.sha256:
                raise RuntimeError(f"{who} fetched something else")
            times[who].append(done["seconds"])
    bare_s, edged_s = statistics.median(times["bare"]), statistics.median(times["edged"])
    return {"bare_s": bare_s, "edged_s": edged_s, "ratio": edged_s / bare_s, "flushes_s": statistics.median(flushes)}


def _flush(blob: Blob, scratch: Path) -> float:
    """The time it takes to store the chunks as edged does, if there is nothing to wait for but the disk."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        part = Part(Path(directory), blob.sha256, len(blob.data))
        part.prepare()
        chunks, started = list(enumerate(blob.chunks)), time.perf_counter()
        for first in range(0, len(chunks), ENOUGH):
            part.store(chunks[first : first + ENOUGH])
        return time.perf_counter() - started


def _signed(blob: Blob) -> SignedTarget:
    chunks = Chunks(count=len(blob.chunks), index_sha256=hashlib.sha256(blob.index).hexdigest())
    target = Target(kind="model", id="bench", sequence=1, version="1", chunks=chunks)
    return SignedTarget(target=target, length=len(blob.data), sha256=blob.sha256)


async def _push(port: int, blob: Blob) -> None:
    carrier = _carrier(port, "publisher")
    running = asyncio.create_task(carrier.run())
    await push(carrier, TOPICS, blob, lambda *_: None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _carrier(port: int, name: str) -> MqttCarrier:
    return MqttCarrier(MqttSettings(host="127.0.0.1", port=port), f"edged-bench-{name}", TOPICS.reply(name))


class _Open:
    async def wait(self) -> None:
        pass


async def _edged(port: int, directory: Path, signed: SignedTarget) -> tuple[float, Path]:
    carrier = _carrier(port, "device")
    running = asyncio.create_task(carrier.run())
    await carrier.keeps_retained()  # connected
    started = time.perf_counter()
    path = await download(carrier, TOPICS, signed, directory, progress=lambda *_: None, gate=_Open())
    seconds = time.perf_counter() - started
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return seconds, path


def _bare(port: int, directory: Path, signed: SignedTarget) -> tuple[float, Path]:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    topics = [TOPICS.chunk(signed.sha256, number) for number in range(signed.target.chunks.count)]
    waiting, came = deque(topics), {}

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        came[message.topic] = message.payload
        client.unsubscribe(message.topic)
        if waiting:
            client.subscribe(waiting.popleft(), qos=1)

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    while not client.is_connected():
        client.loop(0.1)
    path = directory / "blob"
    started = time.perf_counter()
    for _ in range(WINDOW):
        client.subscribe(waiting.popleft(), qos=1)
    while len(came) < len(topics):
        client.loop(1.0)
    with path.open("wb") as file:
        file.writelines(came[topic] for topic in topics)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    client.disconnect()
    return seconds, path


def _main() -> None:
    who, port, directory, signed = (
        sys.argv[1],
        int(sys.argv[2]),
        Path(sys.argv[3]),
        msgspec.json.decode(sys.argv[4], type=SignedTarget),
    )
    seconds, path = asyncio.run(_edged(port, directory, signed)) if who == "edged" else _bare(port, directory, signed)
    print(json.dumps({"seconds": seconds, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))


if __name__ == "__main__":
    _main()
