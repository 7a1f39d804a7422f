"""The daemon, with its heartbeats written down: ``daemon.py CONFIG OUT`` appends a JSON line for each."""

import asyncio
import dataclasses
import json
import sys
import time
from pathlib import Path

from edged.config.load import load
from edged.core.event import Event
from edged.daemon import app
from edged.vision import ipc


class Heartbeats:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w")

    def on_report(self, report: ipc.Report) -> None:
        if isinstance(report, ipc.Stats):
            beat = {"at": time.monotonic(), "main_cpu_s": time.process_time(), "camera": dataclasses.asdict(report.cameras[0])}
            print(json.dumps(beat), file=self._file, flush=True)

    def on_event(self, event: Event) -> None:
        pass


asyncio.run(app.serve(load(Path(sys.argv[1])), lambda _: [Heartbeats(Path(sys.argv[2]))]))
