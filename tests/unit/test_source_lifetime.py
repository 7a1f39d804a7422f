"""A native handle is never released under a read, and always released after it."""

from __future__ import annotations

import threading

import pytest

from edged.core.errors import CameraLost
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.info import SourceInfo


class Driver(FrameSource):
    """Hangs in a read that nothing but ``wake`` ends, as a wedged driver does; a ``fault`` is raised then."""

    def __init__(self, fault: CameraLost | None = None) -> None:
        super().__init__("door", SourceInfo(64, 48, 30.0, "driver", live=True), 0)
        self.fault = fault
        self.reading = threading.Event()
        self.wake = threading.Event()
        self.released_while_reading: list[bool] = []

    def _next(self) -> Frame | None:
        self.reading.set()
        assert self.wake.wait(timeout=60)
        self.reading.clear()
        if self.fault is not None:
            raise self.fault
        return None

    def _release(self) -> None:
        self.released_while_reading.append(self.reading.is_set())


def test_close_does_not_wait_for_a_wedged_read_and_the_reader_releases() -> None:
    source = Driver()
    reader = threading.Thread(target=source.read)
    reader.start()
    assert source.reading.wait(timeout=60)
    source.close()  # returns although the read hangs
    assert source.released_while_reading == []
    source.wake.set()
    reader.join(timeout=60)
    assert source.released_while_reading == [False]


def test_a_read_that_fails_after_close_releases_too() -> None:
    source = Driver(CameraLost("reset"))
    outcome: list[str] = []

    def read() -> None:
        try:
            source.read()
        except CameraLost as error:
            outcome.append(error.message)

    reader = threading.Thread(target=read)
    reader.start()
    assert source.reading.wait(timeout=60)
    source.close()
    source.wake.set()
    reader.join(timeout=60)
    assert outcome == ["reset"]
    assert source.released_while_reading == [False]


def test_leaving_the_context_releases_after_a_loss() -> None:
    source = Driver(CameraLost("reset"))
    source.wake.set()
    with pytest.raises(CameraLost), source:
        source.read()
    assert source.released_while_reading == [False]
    assert source.read() is None
