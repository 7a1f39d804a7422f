"""Where log records go: the journal with fields, or readable lines on stderr."""

from __future__ import annotations

import logging

from edged.daemon.systemd import JournalHandler, journal_is_stderr

LINE = "%(asctime)s %(levelname)-7s %(message)s"


def setup(level: int = logging.INFO) -> None:
    """Send edged's records to the journal if stderr is the journal, else as lines to stderr."""
    handler: logging.Handler
    if journal_is_stderr():
        handler = JournalHandler()
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(LINE, datefmt="%H:%M:%S"))
    root = logging.getLogger("edged")
    root.setLevel(level)
    root.handlers[:] = [handler]
    root.propagate = False
