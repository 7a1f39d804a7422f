"""The vision process's threads within a test."""

from __future__ import annotations

import threading

from edged.vision import ipc
from edged.vision.capture import OpenSource
from edged.vision.process import Vision
from edged.vision.report import Reporter
from edged.vision.settings import VisionSettings


def reports_of(settings: VisionSettings, open_source: OpenSource) -> list[ipc.Report]:
    """Everything that is reported until all recordings are over."""
    ours, theirs = ipc.pair()
    reports: list[ipc.Report] = []

    def listen() -> None:
        while not isinstance(report := ipc.decode_report(ours.recv(ipc.MAX_MESSAGE_BYTES)), ipc.Finished):
            reports.append(report)

    listener = threading.Thread(target=listen)
    with ours, theirs:
        vision = Vision(settings, Reporter(theirs), open_source)
        listener.start()
        assert vision.run(theirs) == 0
        listener.join(30)
    return reports
