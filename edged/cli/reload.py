"""``edged reload``: a running daemon reads its configuration again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from edged.cli.terminal import out
from edged.core.errors import ConfigInvalid, DaemonAbsent

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.daemon.control import Reload, Reply


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("reload", help="let a running daemon read its configuration again, and say what became of it")
    verb.add_argument("--config", type=Path, help="the configuration; it is checked first, and its daemon is the one to reload")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Reload; a refusal is the error."""
    from edged.config.load import load
    from edged.config.schema import SERVICE_STATE, default_state_directory
    from edged.daemon.control import Refused, Reload, Reloaded

    config: Path | None = arguments.config
    if config is None:
        directory, request = default_state_directory(), Reload()
    else:
        directory, request = load(config).device.state_directory, Reload(str(config.absolute()))
    reply = _ask_first([directory, SERVICE_STATE], request)
    if isinstance(reply, Refused):
        raise ConfigInvalid(f"reload refused, the old configuration serves on: {reply.message}", reply.problems, hint=reply.hint)
    assert isinstance(reply, Reloaded)
    out.print("reloaded: " + escape(", ".join(reply.changes) or "nothing changed"))
    return 0


def _ask_first(directories: list[Path], request: Reload) -> Reply:
    """The reply of the first daemon that is there; raises DaemonAbsent for the first directory if none is."""
    from edged.daemon.control import ask

    absent: list[DaemonAbsent] = []
    for directory in directories:
        try:
            return ask(directory, request)
        except DaemonAbsent as error:
            absent.append(error)
    raise absent[0]
