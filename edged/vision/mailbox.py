"""Where a capture thread leaves frames for the stage thread: room for one.

A live camera replaces a frame that nobody took (latest wins, counted); a recording that is read as fast as possible waits until it
was taken (every frame counts, nothing is lost).
"""

from __future__ import annotations

import threading

from edged.core.frame import Frame


class Bell:
    """Wakes the one thread that serves several mailboxes; a ring is never lost."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ring(self) -> None:
        """Wake the waiting thread, or keep it from falling asleep."""
        self._event.set()

    def wait(self, timeout_s: float | None) -> None:
        """Sleep until the bell rings or ``timeout_s`` has passed."""
        self._event.wait(timeout_s)
        self._event.clear()


class Mailbox:
    """One frame at most, from one thread to another."""

    def __init__(self, bell: Bell, *, every: bool) -> None:
        self._bell = bell
        self._every = every
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False
        self.put_count = 0
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        """Leave a frame; waits for room if every frame counts. A closed mailbox forgets it."""
        with self._changed:
            while self._every and self._frame is not None and not self._closed:
                self._changed.wait()
            if self._closed:
                return
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame
            self.put_count += 1
        self._bell.ring()

    def take(self) -> Frame | None:
        """The frame, if there is one."""
        with self._changed:
            frame, self._frame = self._frame, None
            if frame is not None:
                self._changed.notify()
            return frame

    @property
    def waiting(self) -> bool:
        """Whether a frame is there."""
        return self._frame is not None

    def holds_before(self, seq: int) -> bool:
        """Whether a frame is there that came before the one numbered ``seq``."""
        frame = self._frame
        return frame is not None and frame.seq < seq

    @property
    def every(self) -> bool:
        """Whether the giver waits for the taker."""
        return self._every

    def close(self) -> None:
        """Let a waiting giver go and forget what is there."""
        with self._changed:
            self._closed = True
            self._frame = None
            self._changed.notify_all()
