"""One thread for one camera: open, read, hand over; on a fault wait a little longer each time and open again.

Rules: only this thread reads its source; what it notices goes to the stage thread as notices, each with its place among the
frames, so that one thread alone tells the story of a camera. ``check_stall``, on the control thread, notices a read that hangs.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

from edged.core.backoff import Backoff
from edged.core.errors import CameraLost, EdgedError, SourceUnusable
from edged.core.frame import Frame
from edged.core.latency import Histogram
from edged.sources.info import SourceInfo
from edged.sources.settings import SourceSettings
from edged.vision.mailbox import Bell, Mailbox
from edged.vision.settings import CameraSettings

WEDGED_AFTER_STALLS = 4
"""A read that still hangs after so many stall deadlines will not come back: the process has to go."""


HELD_NS = 10_000_000_000
"""A source that delivered for so long is sound: when it is lost the waits begin small again. One that flaps waits ever longer."""


class Source(Protocol):
    """Where frames come from; ``edged.sources`` and ``edged.testing`` have them."""

    damaged: int
    """How many pictures could not be decoded."""
    late: int
    """How many were too old to be handed out."""

    @property
    def info(self) -> SourceInfo:
        """What was negotiated; another object once the source sends something else, such as another size."""

    @property
    def heard_ns(self) -> int:
        """CLOCK_MONOTONIC when the device last gave a picture, also one that is left out; 0 before the first. For any thread."""

    def read(self) -> Frame | None:
        """The next frame, ``None`` at the end of a recording; raises CameraLost (try again) or SourceUnusable (do not)."""

    def close(self) -> None:
        """Let go, from any thread, as often as you like."""


class OpenSource(Protocol):
    """How a source is opened; raises CameraLost or SourceUnusable."""

    def __call__(self, camera: str, settings: SourceSettings, *, first_seq: int) -> Source:
        """An open source whose first frame has the number ``first_seq``."""


@dataclass(frozen=True, slots=True)
class Up:
    """The source delivers this, from the frame ``seq`` on."""

    info: SourceInfo
    seq: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Down:
    """The source does not deliver; ``final`` if no retry will mend it. ``seq`` is that of the frame that would have come."""

    error: EdgedError
    final: bool
    seq: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The recording is over; ``seq`` is the number of its frames."""

    seq: int
    at_ns: int


Notice = Up | Down | Ended


@dataclass(frozen=True, slots=True)
class Wait:
    """What the stall clock measures: a call into the source, since when it lasts, and how long it may be silent."""

    since_ns: int
    allowance_ns: int


class Capture:
    """The capture thread of one camera. ``decoded`` has how old each frame was when it came, ``since_ns`` when counting began."""

    def __init__(self, camera: str, settings: CameraSettings, bell: Bell, open_source: OpenSource, *, every: bool) -> None:
        self.camera = camera
        self.mailbox = Mailbox(bell, every=every)
        self.notices: deque[Notice] = deque()
        self.cpu_ns = 0
        self.fps = 0.0
        self.since_ns = time.monotonic_ns()
        self.decoded = Histogram()
        self._settings = settings
        self._bell = bell
        self._open_source = open_source
        self._source: Source | None = None
        self._seq = 0
        self._wait: Wait | None = None
        self._allowance_ns = int(settings.stall_after_s * 1e9)
        self._stalled = False
        self._damaged = self._late = 0
        self._verdict = threading.Lock()
        self._delivered_ns = 0
        self._captured_ns = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"capture-{camera}", daemon=True)

    def start(self) -> None:
        """Begin to capture."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to leave; does not wait for it (a driver may hang)."""
        self._stopping.set()
        self.mailbox.close()
        if (source := self._source) is not None:
            source.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, so that the device is released in good order; False if it hangs."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def check_stall(self, now_ns: int) -> bool:
        """Notice a read or open that hangs; False if it hangs beyond hope."""
        with self._verdict:  # either the call came back in time, or it is a stall: not both
            wait, source = self._wait, self._source
            if wait is None:
                return True
            silent_ns = now_ns - max(wait.since_ns, source.heard_ns if source else 0)
            news = silent_ns > wait.allowance_ns and not self._stalled
            if news:
                self._stalled = True
                error = CameraLost(f"camera {self.camera}: no frame for {silent_ns / 1e9:.1f} s")
                self._notice(Down(error, False, self._seq, now_ns))  # here, so that what comes late cannot be told before
        if news and source is not None:
            source.close()
        return silent_ns <= WEDGED_AFTER_STALLS * wait.allowance_ns

    def delivers(self, now_ns: int) -> bool:
        """Whether pictures come, or came within the time that a stall is allowed."""
        source = self._source
        return now_ns - max(self._delivered_ns, source.heard_ns if source else 0) <= self._allowance_ns

    def age_ms(self, now_ns: int) -> float | None:
        """How old the newest frame is; ``None`` before the first."""
        return (now_ns - self._captured_ns) / 1e6 if self._captured_ns else None

    @property
    def damaged(self) -> int:
        """Pictures that could not be decoded, of all openings together."""
        source = self._source
        return self._damaged + (source.damaged if source else 0)

    @property
    def late(self) -> int:
        """Pictures that were too old to be handed out, of all openings together."""
        source = self._source
        return self._late + (source.late if source else 0)

    def _run(self) -> None:
        backoff = Backoff(self._settings.reopen_min_s, self._settings.reopen_max_s, random.random)
        while not self._stopping.is_set():
            try:
                self._capture(backoff)
                return
            except SourceUnusable as error:
                self._notice(Down(error, True, self._seq, time.monotonic_ns()))
                return
            except CameraLost as error:
                if not self._stalled and not self._stopping.is_set():
                    self._notice(Down(error, False, self._seq, time.monotonic_ns()))
            finally:
                self._forget()
            self._stopping.wait(backoff.next_delay_s())

    def _capture(self, backoff: Backoff) -> None:
        """Open the source and hand over its frames until it ends or is told to."""
        with closing(self._opened()) as source:
            self._source = source
            self.fps = source.info.fps or 0.0
            slow_ns = int(2e9 / self.fps) if self.fps else 0
            self._allowance_ns = max(int(self._settings.stall_after_s * 1e9), slow_ns)
            told: SourceInfo | None = None
            held_until_ns = time.monotonic_ns() + HELD_NS
            while (frame := self._next(source)) is not None:
                if source.info is not told:
                    told = source.info
                    self._notice(Up(told, frame.seq, frame.captured_ns))
                self.decoded.add(time.monotonic_ns() - frame.captured_ns)
                self.mailbox.put(frame)
                self._captured_ns = frame.captured_ns
                self._delivered_ns = time.monotonic_ns()
                self._seq = frame.seq + 1
                self.cpu_ns = time.thread_time_ns()
                if time.monotonic_ns() > held_until_ns:
                    backoff.reset()
        if not self._stopping.is_set():
            self._notice(Ended(self._seq, time.monotonic_ns()))

    def _forget(self) -> None:
        """Keep the counters of a source that is closed."""
        source, self._source = self._source, None
        if source is not None:
            self._damaged += source.damaged
            self._late += source.late

    def _opened(self) -> Source:
        """An open source. One that took too long was told as lost, but is not given away: it would take as long again."""
        with self._watched(int(self._settings.open_within_s * 1e9)):
            return self._open_source(self.camera, self._settings, first_seq=self._seq)

    def _next(self, source: Source) -> Frame | None:
        """The next frame, or ``None`` at the end."""
        if self._stopping.is_set():  # while it was opened, when ``stop`` had nothing to close
            return None
        first = 0 if source.heard_ns else int(self._settings.open_within_s * 1e9)  # may take as long as opening
        with self._watched(max(self._allowance_ns, first)):
            frame = source.read()
        if self._stopping.is_set():
            return None
        if self._stalled:
            raise CameraLost(f"camera {self.camera}: closed after a stall")
        return frame

    @contextmanager
    def _watched(self, allowance_ns: int) -> Iterator[None]:
        """The stall clock runs; ``_stalled`` says afterwards whether it ran out."""
        with self._verdict:
            self._stalled, self._wait = False, Wait(time.monotonic_ns(), allowance_ns)
        try:
            yield
        finally:
            with self._verdict:
                self._wait = None

    def _notice(self, notice: Notice) -> None:
        self.notices.append(notice)
        self._bell.ring()
