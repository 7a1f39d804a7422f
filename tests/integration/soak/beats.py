"""The daemon, with the heartbeats of its vision process written down: ``beats.py OUT CONFIG`` appends a line of JSON for each.

Apart from that it is ``edged run``: it logs to stderr and heeds SIGHUP.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edged.cli.run import LogEvents
from edged.cli.terminal import print_error
from edged.config.load import load
from edged.core.errors import EdgedError
from edged.daemon import app, logs
from edged.vision import ipc


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat, and when it came (CLOCK_MONOTONIC)."""

    at_s: float
    stats: ipc.Stats


class Heartbeats(LogEvents):
    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def on_report(self, report: ipc.Report) -> None:
        super().on_report(report)
        if isinstance(report, ipc.Stats):
            self._file.write(msgspec.json.encode(Beat(time.monotonic(), report)) + b"\n")
            self._file.flush()


def read(path: Path) -> list[Beat]:
    """What was written so far."""
    return [msgspec.json.decode(line, type=Beat) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def main(out: Path, config: Path) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    logs.setup(logging.INFO)
    heartbeats = Heartbeats(out)
    try:
        asyncio.run(app.serve(load(config), lambda _: [heartbeats], config.absolute()))
    except EdgedError as error:
        print_error(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
