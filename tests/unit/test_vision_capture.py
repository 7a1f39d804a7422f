"""A capture thread tells the story of its camera in order, and comes back from every fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from edged.core.errors import CameraLost, SourceUnusable
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.info import SourceInfo
from edged.sources.settings import V4l2Settings
from edged.sources.stream_settings import StreamSettings
from edged.testing.source import Deliver, Lose, Refuse, Script, Stall, Step
from edged.vision.capture import WEDGED_AFTER_STALLS, Capture, Down, Ended, Up
from edged.vision.mailbox import Bell
from edged.vision.settings import CameraSettings

PICTURE = Deliver(np.zeros((48, 64, 3), np.uint8))
SETTINGS = CameraSettings(model="m", reopen_min_s=0.001, reopen_max_s=0.002, stall_after_s=5)
STALL_NS = 5_000_000_000
PATIENCE_S = 60
"""How long something may take on a busy machine before the test gives up; no measure of speed."""


@contextmanager
def capturing(steps: Sequence[Step], settings: CameraSettings = SETTINGS) -> Iterator[tuple[Capture, Script, Bell]]:
    bell, script = Bell(), Script(steps)
    capture = Capture("door", settings, bell, script.open, every=True)
    capture.start()
    try:
        yield capture, script, bell
    finally:
        capture.stop()
        capture.join(PATIENCE_S)


def frames_until(capture: Capture, bell: Bell, kind: type, count: int = 1) -> list[Frame]:
    """Take frames until ``count`` notices of ``kind`` have come."""
    frames = []
    while True:
        done = sum(isinstance(notice, kind) for notice in capture.notices) >= count
        if (frame := capture.mailbox.take()) is not None:
            frames.append(frame)
        elif done:
            return frames
        else:
            bell.wait(PATIENCE_S)


def test_sequence_goes_on_over_a_loss() -> None:
    with capturing([PICTURE, PICTURE, Lose(CameraLost("unplugged")), PICTURE]) as (capture, script, bell):
        frames = frames_until(capture, bell, Ended)
        assert [frame.seq for frame in frames] == [0, 1, 2]
        assert [type(notice) for notice in capture.notices] == [Up, Down, Up, Ended]
        assert script.opened == 2


def test_source_that_cannot_be_opened_is_tried_again() -> None:
    refusals = [Refuse(CameraLost("busy"))] * 3
    with capturing([*refusals, PICTURE]) as (capture, script, bell):
        frames_until(capture, bell, Ended)
        assert [type(notice) for notice in capture.notices] == [Down, Down, Down, Up, Ended]
        assert script.opened == 4


def test_camera_that_flaps_is_opened_ever_more_seldom() -> None:
    flapping: list[Step] = [PICTURE, Lose(CameraLost("brown-out"))] * 200
    patient = replace(SETTINGS, reopen_min_s=0.001, reopen_max_s=3600)
    with capturing(flapping, patient) as (capture, script, bell):
        until_ns = time.monotonic_ns() + 1_000_000_000
        while time.monotonic_ns() < until_ns:
            capture.mailbox.take()
            bell.wait(0.01)
        assert script.opened < 200  # as many short waits would have been over in half of the time


def test_unusable_source_is_given_up() -> None:
    with capturing([Refuse(SourceUnusable("no such file")), PICTURE]) as (capture, script, bell):
        assert frames_until(capture, bell, Down) == []
        (notice,) = capture.notices
        assert isinstance(notice, Down)
        assert notice.final
        capture.join(PATIENCE_S)
        assert script.opened == 1


def test_stall_is_noticed_at_its_deadline_and_the_source_opened_again() -> None:
    with capturing([PICTURE, Stall(), PICTURE]) as (capture, script, bell):
        assert len(frames_until(capture, bell, Up)) <= 1
        assert script.stalled.wait(PATIENCE_S)
        now = time.monotonic_ns()
        assert capture.check_stall(now)  # not yet
        assert not any(isinstance(notice, Down) for notice in capture.notices)
        assert capture.check_stall(now + STALL_NS)
        assert any("no frame for" in notice.error.message for notice in capture.notices if isinstance(notice, Down))
        frames_until(capture, bell, Ended)
        assert [type(notice) for notice in capture.notices] == [Up, Down, Up, Ended]


def test_open_that_never_comes_back_is_beyond_hope() -> None:
    entered, release = threading.Event(), threading.Event()

    def open_stuck(camera: str, settings: object, *, first_seq: int) -> FrameSource:
        entered.set()
        release.wait()
        raise CameraLost("at last")

    capture = Capture("door", SETTINGS, Bell(), open_stuck, every=False)
    capture.start()
    assert entered.wait(PATIENCE_S)
    now = time.monotonic_ns()
    assert capture.check_stall(now + STALL_NS)
    assert not capture.check_stall(now + WEDGED_AFTER_STALLS * STALL_NS + 1)
    capture.stop()
    release.set()
    capture.join(PATIENCE_S)


class Restless(FrameSource):
    """Each opening damages a picture and comes too late with another, then sends two sizes and is lost."""

    def __init__(self, camera: str, _settings: object, first_seq: int = 0) -> None:
        super().__init__(camera, SourceInfo(64, 48, 30.0, "restless", live=True), first_seq)
        self._sizes = [(64, 48), (64, 48), (32, 24)]

    def _next(self) -> Frame:
        if not self._sizes:
            self.damaged, self.late = 1, 2
            raise CameraLost("again")
        width, height = self._sizes.pop(0)
        if width != self._info.width:
            self._info = replace(self._info, width=width, height=height)
        return self._frame(np.zeros((height, width, 3), np.uint8), time.monotonic_ns(), None)

    def _release(self) -> None: ...


def test_another_size_is_told_before_its_first_frame_and_counters_outlive_openings() -> None:
    bell = Bell()
    capture = Capture("door", SETTINGS, bell, Restless, every=True)
    assert capture.age_ms(5) is None
    capture.start()
    frames = frames_until(capture, bell, Down, 2)
    capture.stop()
    capture.join(PATIENCE_S)
    notices = list(capture.notices)[:6]
    assert [type(notice) for notice in notices] == [Up, Up, Down] * 2
    assert [(n.info.width, n.seq) for n in notices if isinstance(n, Up)] == [(64, 0), (32, 2), (64, 3), (32, 5)]
    assert [frame.width for frame in frames][:6] == [64, 64, 32] * 2
    assert capture.damaged >= 2
    assert capture.late == 2 * capture.damaged
    age_ms = capture.age_ms(time.monotonic_ns())
    assert age_ms is not None
    assert 0 < age_ms < 60_000


def test_opening_has_its_own_bound() -> None:
    entered, release = threading.Event(), threading.Event()

    def open_slowly(camera: str, settings: object, *, first_seq: int) -> FrameSource:
        entered.set()
        release.wait()
        return Restless(camera, settings, first_seq)

    settings = replace(SETTINGS, stream=StreamSettings(url="rtsp://camera/x", open_timeout_s=5), stall_after_s=2)
    bell = Bell()
    capture = Capture("door", settings, bell, open_slowly, every=True)
    capture.start()
    assert entered.wait(PATIENCE_S)
    now = time.monotonic_ns()
    assert capture.check_stall(now + 14_000_000_000)
    assert not capture.notices
    release.set()
    frames_until(capture, bell, Up)
    assert capture.check_stall(time.monotonic_ns())
    capture.stop()
    capture.join(PATIENCE_S)
    assert isinstance(capture.notices[0], Up)


def test_source_that_opens_late_is_told_as_lost_and_kept() -> None:
    entered, release, opened = threading.Event(), threading.Event(), []

    def open_slowly(camera: str, settings: object, *, first_seq: int) -> FrameSource:
        entered.set()
        release.wait()
        opened.append(Restless(camera, settings, first_seq))
        return opened[-1]

    bell = Bell()
    capture = Capture("door", SETTINGS, bell, open_slowly, every=True)
    capture.start()
    assert entered.wait(PATIENCE_S)
    assert capture.check_stall(time.monotonic_ns() + STALL_NS)
    release.set()
    assert frames_until(capture, bell, Up)[0].seq == 0
    assert len(opened) == 1
    assert [type(notice) for notice in capture.notices][:2] == [Down, Up]
    capture.stop()
    capture.join(PATIENCE_S)


class Awaited:
    """A source that gives one frame when told to; ``on_info`` is called when somebody asks what it is."""

    damaged = late = heard_ns = 0

    def __init__(self, on_info: Callable[[], object] = int) -> None:
        self.reading, self.go = threading.Event(), threading.Event()
        self.reads = 0
        self._on_info = on_info

    @property
    def info(self) -> SourceInfo:
        self._on_info()
        return SourceInfo(64, 48, 0.0, "awaited", live=True)

    def read(self) -> Frame | None:
        self.reads += 1
        self.reading.set()
        self.go.wait()
        return None

    def close(self) -> None:
        self.go.set()


def test_nothing_is_late_between_opening_and_reading() -> None:
    """The control thread may look at any moment, such as when a slow opening is over and the first read is yet to begin."""
    hopes = []
    source = Awaited(lambda: hopes.append(capture.check_stall(time.monotonic_ns() + 10 * STALL_NS)))
    capture = Capture("door", SETTINGS, Bell(), lambda *_, **__: source, every=True)
    capture.start()
    assert source.reading.wait(PATIENCE_S)
    assert hopes
    assert all(hopes)
    assert not capture.notices
    capture.stop()
    capture.join(PATIENCE_S)


def test_the_first_picture_may_take_as_long_as_opening() -> None:
    source = Awaited()
    settings = replace(SETTINGS, v4l2=V4l2Settings(device=0))
    capture = Capture("door", settings, Bell(), lambda *_, **__: source, every=True)
    capture.start()
    assert source.reading.wait(PATIENCE_S)
    now = time.monotonic_ns()
    assert capture.check_stall(now + 9_000_000_000)
    assert not capture.notices
    assert capture.check_stall(now + 10_000_000_000)
    assert [type(notice) for notice in capture.notices] == [Down]
    capture.stop()
    capture.join(PATIENCE_S)


def test_pictures_that_are_left_out_are_no_silence() -> None:
    source = Awaited()
    capture = Capture("door", SETTINGS, Bell(), lambda *_, **__: source, every=True)
    capture.start()
    assert source.reading.wait(PATIENCE_S)
    now = source.heard_ns = time.monotonic_ns() + 10 * STALL_NS
    assert capture.check_stall(now + STALL_NS)
    assert capture.delivers(now + STALL_NS)
    assert not capture.notices
    assert capture.check_stall(now + STALL_NS + 1)
    assert not capture.delivers(now + STALL_NS + 1)
    assert [type(notice) for notice in capture.notices] == [Down]
    capture.stop()
    capture.join(PATIENCE_S)


def test_source_that_was_opened_while_told_to_stop_is_not_read() -> None:
    source, entered, release = Awaited(), threading.Event(), threading.Event()

    def open_slowly(camera: str, settings: object, *, first_seq: int) -> Awaited:
        entered.set()
        release.wait()
        return source

    capture = Capture("door", SETTINGS, Bell(), open_slowly, every=True)
    capture.start()
    assert entered.wait(PATIENCE_S)
    capture.stop()
    release.set()
    assert capture.join(PATIENCE_S)
    assert source.reads == 0
    assert not capture.notices


def test_waiting_for_a_slow_consumer_is_no_stall() -> None:
    impatient = replace(SETTINGS, stall_after_s=0.2)
    with capturing([PICTURE, PICTURE], impatient) as (capture, script, bell):
        while script.steps or not capture.mailbox.waiting:  # one picture waits to be taken, the other for its room
            bell.wait(0.01)
        until_ns = time.monotonic_ns() + 500_000_000
        while (now := time.monotonic_ns()) < until_ns:
            assert capture.check_stall(now)
            bell.wait(0.01)
        assert len(frames_until(capture, bell, Ended)) == 2
        assert [type(notice) for notice in capture.notices] == [Up, Ended]
