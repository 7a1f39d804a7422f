"""A firmware image over a serial line to the firmware's own port for this machine, against `smpclient` alone, and the line itself.

The port carries no more bytes a second than a line of that rate does. The limit is what the framing leaves of that: base64, lines,
headers. smpclient is given the same image, by its own serial transport, with its own rule for the size of a packet.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from rich.console import Console
from rich.table import Table
from smpclient import SMPClient
from smpclient.transport.serial import SMPSerialTransport

from edged.mcu.board import Board
from edged.mcu.image import parse
from edged.mcu.link import Link
from edged.mcu.packet import wire_bytes
from edged.mcu.transport import FRAMING_BYTES
from edged.mcu.upload import OVERHEAD_BYTES
from edged.testing.mcu_image import Key, make_image
from edged.testing.mcu_program import McuProgram

BITS_PER_BYTE = 10
BUFFER_BYTES = 4096 + FRAMING_BYTES
BUILD = Path(__file__).parents[2] / "build/firmware/bench"


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=8, help="how long an image takes at best (default %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="of each client; the median counts (default %(default)s)")
    parser.add_argument("--baud", type=int, action="append", help="rate of the line (default 115200 and 921600)")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    with console.status("building the firmware"):
        build = [sys.executable, "-m", "edged", "mcu", "build", "host", "--output", str(BUILD)]
        subprocess.run(build, check=True, capture_output=True)
    key = load_pem_private_key((BUILD / "development-key.pem").read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return {str(baud): _at(baud, arguments, Key(key), console) for baud in arguments.baud or (115_200, 921_600)}


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title="bytes of an image per second", title_justify="left")
    for heading in ("baud", "image", "the framing allows", "smpclient alone", "edged", "of the limit"):
        table.add_column(heading, justify="right")
    for baud, it in result.items():
        rates = [f"{it[name]:,.0f}" for name in ("bytes", "limit_bps", "smpclient_bps", "edged_bps")]
        table.add_row(baud, *rates, f"{it['share']:.1%}")
    console.print(table)


def _at(baud: int, arguments: argparse.Namespace, key: Key, console: Console) -> dict[str, Any]:
    limit_bps = baud / BITS_PER_BYTE * (BUFFER_BYTES - FRAMING_BYTES - OVERHEAD_BYTES) / wire_bytes(BUFFER_BYTES - FRAMING_BYTES)
    image = make_image(os.urandom(int(limit_bps * arguments.seconds)), key, board="host")
    clients = {"smpclient": _smpclient, "edged": _edged}
    rates: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(arguments.turns):
        for name in clients if turn % 2 else reversed(clients):
            with console.status(f"{baud} baud, turn {turn + 1} of {arguments.turns}: {name}"):
                rates[name].append(len(image) / _transfer(clients[name], baud, image))
    medians = {f"{name}_bps": statistics.median(seen) for name, seen in rates.items()}
    return {"bytes": len(image), "limit_bps": limit_bps, **medians, "share": medians["edged_bps"] / limit_bps}


def _transfer(client: Any, baud: int, image: bytes) -> float:
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        scratch = Path(name)
        with McuProgram(BUILD / "edged-mcu", scratch / "flash", scratch / "port", baud=baud) as board:
            return float(asyncio.run(client(board.path, baud, image)))


async def _edged(port: Path, baud: int, image: bytes) -> float:
    async with Link(port, baud) as link:
        board = Board(link)
        await board.parameters()
        started = time.perf_counter()
        await board.upload(0, image, parse(image).hash)
        return time.perf_counter() - started


async def _smpclient(port: Path, baud: int, image: bytes) -> float:
    async with SMPClient(SMPSerialTransport(baudrate=baud), str(port)) as client:
        started = time.perf_counter()
        async for _ in client.upload(image):
            pass
        return time.perf_counter() - started
