"""The vision process's mouth: events wait for room, live reports do not."""

from __future__ import annotations

import os
import socket

from edged.vision import datagrams, ipc


class Reporter:
    """Sends reports to the main process; used by several threads (a datagram is sent whole or not at all)."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def send(self, report: ipc.Report) -> None:
        """Send, waiting for room: what must not be lost."""
        try:
            self._channel.send(datagrams.encode(report))
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)  # the main process is gone; whatever is in flight here has nobody to go to

    def offer(self, report: ipc.Report) -> bool:
        """Send if there is room now; False if it was dropped: what is stale in a second anyway."""
        try:
            self._channel.send(datagrams.encode(report), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)
        return True
