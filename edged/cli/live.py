"""A live view of the daemon on a terminal: cameras, what they see now, and the last events."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edged.cli.wording import describe, local_time
from edged.core.event import Event
from edged.vision import ipc
from edged.vision.counters import CameraStats

EVENTS_SHOWN = 8
REFRESH_HZ = 4


class LiveView:
    """Redraws itself while it is entered, from a thread of its own: what it shows is read as a copy."""

    def __init__(self, console: Console, footer: str) -> None:
        self._footer = footer
        self._models: dict[str, ipc.ModelServes] = {}
        self._up: dict[str, ipc.CameraUp] = {}
        self._stats: dict[str, tuple[float, CameraStats]] = {}
        self._fps: dict[str, float] = {}
        self._seen: dict[str, ipc.Live] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS_SHOWN)
        self._live = Live(console=console, refresh_per_second=REFRESH_HZ, get_renderable=self.__rich__)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)

    def on_report(self, report: ipc.Report) -> None:
        """Take in what the vision process said."""
        match report:
            case ipc.ModelServes():
                self._models[report.model_name] = report
            case ipc.CameraUp():
                self._up[report.camera] = report
            case ipc.CameraDown() | ipc.CameraEnded():
                self._up.pop(report.camera, None)
                self._seen.pop(report.camera, None)
            case ipc.Live():
                self._seen[report.camera] = report
            case ipc.Stats():
                self._note(report)

    def on_event(self, event: Event) -> None:
        """Show it."""
        self._events.append(event)

    def _note(self, stats: ipc.Stats) -> None:
        now = time.monotonic()
        for camera in stats.cameras:
            then, before = self._stats.get(camera.camera, (now, camera))
            if now > then and camera.inferred >= before.inferred:  # a new vision process counts from zero
                self._fps[camera.camera] = (camera.inferred - before.inferred) / (now - then)
            self._stats[camera.camera] = (now, camera)

    def __rich__(self) -> Group:
        return Group(self._cameras(), self._objects(), self._history(), f"[dim]{self._footer}[/]")

    def _cameras(self) -> Table:
        table = Table(
            title="  ".join(_model_line(model) for model in list(self._models.values())) or "loading the model",
            title_justify="left",
        )
        table.add_column("camera", no_wrap=True)
        table.add_column("source")
        for heading in ("fps", "frames", "dropped", "inference", "age"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, (_, stats) in list(self._stats.items()):
            up = self._up.get(name)
            source = f"{up.width} x {up.height}  {up.description.rsplit('/', 1)[-1]}" if up else "waiting"
            mean_ms = stats.invoke_ms / stats.inferred if stats.inferred else 0.0
            counts = (f"{self._fps.get(name, 0):.1f}", str(stats.inferred), str(stats.dropped))
            table.add_row(name, escape(source), *counts, f"{mean_ms:.1f} ms", f"{stats.age_ms:.0f} ms")
        return table

    def _objects(self) -> Table:
        table = Table(title="now", title_justify="left")
        for heading in ("camera", "object", "label", "score", "box"):
            table.add_column(heading)
        for camera, live in list(self._seen.items()):
            for seen in live.objects:
                box = " ".join(f"{value:.0f}" for value in seen.box)
                table.add_row(camera, seen.object_id, escape(seen.label), f"{seen.score:.2f}", box)
        if not table.rows:
            table.add_row("", "", "nothing", "", "")
        return table

    def _history(self) -> Panel:
        lines = [f"{local_time(event)}  {describe(event)}" for event in list(self._events)]
        return Panel(Text("\n".join(lines) or "none yet"), title="last events", title_align="left")


def _model_line(model: ipc.ModelServes) -> str:
    threads = f"{model.threads} thread{'s' if model.threads > 1 else ''}"
    return f"{escape(model.bundle)} {escape(model.version)} on {model.delegate}, {threads}"
