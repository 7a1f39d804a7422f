"""The vision process's threads within a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from support import PATIENCE_S, wait_until

from edged.infer.probe.machine import free_bytes
from edged.sources.base import FrameSource
from edged.sources.settings import SourceSettings
from edged.testing.source import Script
from edged.vision import datagrams, ipc
from edged.vision.capture import OpenSource
from edged.vision.note import Note
from edged.vision.process import Vision
from edged.vision.report import Reporter
from edged.vision.settings import VisionSettings

T = TypeVar("T")


def reports_of(settings: VisionSettings, open_source: OpenSource) -> list[ipc.Report]:
    """Everything that is reported until all recordings are over."""
    ours, theirs = datagrams.pair()
    reports: list[ipc.Report] = []

    def listen() -> None:
        while not isinstance(report := datagrams.decode_report(ours.recv(datagrams.MAX_MESSAGE_BYTES)), ipc.Finished):
            reports.append(report)

    listener = threading.Thread(target=listen)
    with ours, theirs:
        vision = Vision(settings, Reporter(theirs), open_source)
        listener.start()
        assert vision.run(theirs) == 0
        listener.join(PATIENCE_S)
    return reports


class Process:
    """The threads of a vision process, and all that they said."""

    def __init__(
        self, first: VisionSettings, open_source: Callable[..., FrameSource], free_bytes: Callable[[], int] = free_bytes
    ) -> None:
        self._ours, self._theirs = datagrams.pair()
        self._ours.settimeout(PATIENCE_S)
        self.note = Note()
        self.vision = Vision(first, Reporter(self._theirs), open_source, self.note, free_bytes=free_bytes)
        self._thread = threading.Thread(target=self.vision.run, args=(self._theirs,), daemon=True)
        self._thread.start()
        self.reports: list[ipc.Report] = []

    def next(self) -> ipc.Report:
        self.reports.append(datagrams.decode_report(self._ours.recv(datagrams.MAX_MESSAGE_BYTES)))
        return self.reports[-1]

    def until(self, kind: type[T], **fields: object) -> T:
        """The next report of a kind with these values in it."""
        while not isinstance(report := self.next(), kind) or any(getattr(report, name) != it for name, it in fields.items()):
            pass
        return report

    def of(self, kind: type[T], camera: str) -> list[T]:
        return [report for report in self.reports if isinstance(report, kind) and report.camera == camera]  # type: ignore[attr-defined]

    def order(self, order: ipc.Order) -> None:
        self._ours.send(datagrams.encode(order))

    def reconfigure(self, new: VisionSettings) -> ipc.Reconfigured | ipc.Refused:
        self.order(ipc.Reconfigure(new))
        return self.until(ipc.Reconfigured | ipc.Refused)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.order(ipc.Stop())
        self.finish()

    def finish(self) -> None:
        self.until(ipc.Finished)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._ours.close()
        self._theirs.close()


@contextmanager
def serving(first: VisionSettings, scripts: dict[str, Script], free_bytes: Callable[[], int] = free_bytes) -> Iterator[Process]:
    def open_script(name: str, source: SourceSettings, *, first_seq: int) -> FrameSource:
        return scripts[name].open(name, source, first_seq)

    process = Process(first, open_script, free_bytes)
    try:
        yield process
    finally:
        process.stop()


def check_no_thread(named: Callable[[str], bool]) -> None:
    """A thread that was told to end may take a moment for it."""
    wait_until(lambda: not [thread for thread in threading.enumerate() if named(thread.name)], "a thread is left behind")


def check_frames(process: Process, camera: str) -> None:
    """Every frame was inferred once, in order; to be called after the end. Live reports for which there was no room are counted."""
    seqs = [live.seq for live in process.of(ipc.Live, camera)]
    assert seqs == sorted(set(seqs))
    *_, last = (report for report in process.reports if isinstance(report, ipc.Stats))
    (stats,) = (it for it in last.cameras if it.camera == camera)
    assert stats.dropped == 0
    assert stats.inferred == len(seqs) + stats.live_unsent
    assert stats.captured - stats.inferred in range(4)  # those that wait
