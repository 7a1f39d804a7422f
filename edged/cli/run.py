"""``edged run``: the daemon itself."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.wording import describe, local_time

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.core.event import Event
    from edged.vision import ipc

log = logging.getLogger("edged.events")


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("run", help="run the daemon in the foreground, as systemd does")
    verb.add_argument("config", type=Path, help="the configuration, TOML")
    verb.add_argument("--verbose", action="store_true", help="log what is of interest only when something is wrong")
    verb.set_defaults(run=run)


class LogEvents:
    """Events as log lines; in the journal with their fields."""

    def on_report(self, report: ipc.Report) -> None:
        """Reports are not for the log; the daemon logs what matters of them."""

    def on_event(self, event: Event) -> None:
        """Log it."""
        log.info("%s", describe(event), extra={"fields": {"event": event.id, "kind": event.kind}})


class PrintEvents(LogEvents):
    """Events on stdout, for ``[sinks] console``."""

    def on_event(self, event: Event) -> None:
        """Print it."""
        print(f"{local_time(event)}  {describe(event)}", flush=True)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from edged.config.load import load
    from edged.daemon import app, logs

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # it would end us until the daemon can obey it
    settings = load(arguments.config)
    logs.setup(logging.DEBUG if arguments.verbose else logging.INFO)
    asyncio.run(app.serve(settings, lambda sinks: [PrintEvents() if sinks.console else LogEvents()], arguments.config.absolute()))
    return 0
