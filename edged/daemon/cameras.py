"""The state of every camera as the main process knows it; outlives the vision process.

Pure: reports go in, an occurrence comes out where something happened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from edged.core.event import SourceBack, SourceLost
from edged.vision import ipc

State = Literal["starting", "online", "lost", "ended"]


@dataclass(frozen=True, slots=True)
class CameraState:
    """How a camera is, since when (CLOCK_MONOTONIC), and what it delivers; ``reason`` says why it is lost."""

    camera: str
    state: State
    since_ns: int
    width: int = 0
    height: int = 0
    fps: float | None = None
    description: str = ""
    reason: str = ""


class Cameras:
    """All cameras by name."""

    def __init__(self, names: Iterable[str], now_ns: int) -> None:
        self._states = {name: CameraState(name, "starting", now_ns) for name in names}

    def __iter__(self) -> Iterator[CameraState]:
        return iter(list(self._states.values()))

    def reconfigure(self, names: Iterable[str], opened: Collection[str], now_ns: int) -> None:
        """From now on these cameras are there; the source of those that were ``opened`` is yet to show what it delivers."""
        before = self._states
        self._states = {name: before.get(name) or CameraState(name, "starting", now_ns) for name in names}
        for name, state in self._states.items():
            if name in opened and state.state != "lost":  # a loss was published: it ends with a frame, not with another setting
                self._states[name] = CameraState(name, "starting", now_ns)

    def vision_lost(self, now_ns: int) -> None:
        """Nobody looks: what was online is to show again that it is."""
        for state in self:
            if state.state == "online":
                self._states[state.camera] = CameraState(state.camera, "starting", now_ns)

    def __getitem__(self, camera: str) -> CameraState:
        return self._states[camera]

    def up(self, report: ipc.CameraUp) -> SourceBack | None:
        """It delivers; an occurrence if it was lost before."""
        before = self._states[report.camera]
        delivers = (report.width, report.height, report.fps, report.description)
        self._states[report.camera] = CameraState(report.camera, "online", report.at_ns, *delivers)
        if before.state != "lost":
            return None
        return SourceBack(report.camera, max(0.0, (report.at_ns - before.since_ns) / 1e9), report.at_ns)

    def down(self, report: ipc.CameraDown) -> SourceLost | None:
        """It does not deliver; an occurrence if that is news."""
        before = self._states[report.camera]
        news = before.state != "lost"
        since_ns = report.at_ns if news else before.since_ns
        self._states[report.camera] = CameraState(report.camera, "lost", since_ns, reason=report.reason)
        if not news:
            return None
        return SourceLost(report.camera, report.reason, report.at_ns)

    def ended(self, report: ipc.CameraEnded) -> None:
        """Its recording is over."""
        self._states[report.camera] = CameraState(report.camera, "ended", report.at_ns)
