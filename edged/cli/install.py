"""``edged model install | rollback``: have a running daemon try a bundle and serve it, or go back to what served before."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.terminal import out
from edged.core.errors import DaemonUnreachable, OutputUnwritable, UpdateRefused

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.daemon.control import Request


def register(actions: Verbs) -> None:
    """Add the actions."""
    install = actions.add_parser("install", help="let a running daemon try a bundle and serve it in place of the one it has")
    install.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle directory")
    install.add_argument("--as", dest="id", required=True, metavar="ID", help="the id that a model of the daemon follows")
    install.set_defaults(run=run_install)
    back = actions.add_parser("rollback", help="let a running daemon serve again what it served before the last update")
    back.add_argument("id", metavar="ID", help="the id that a model of the daemon follows")
    back.set_defaults(run=run_rollback)
    for action in (install, back):
        action.add_argument("--config", type=Path, help="the configuration of the daemon (default: that of the service)")


def run_install(arguments: argparse.Namespace) -> int:
    """Leave the packed bundle where the daemon finds it, and wait until it is confirmed; a refusal is the error."""
    from edged.core.durable import replace_file
    from edged.daemon.control import Install
    from edged.daemon.updates import DIRECTORY
    from edged.infer.bundle import load_bundle
    from edged.ota.inventory import BROUGHT
    from edged.ota.package import pack_directory

    version = load_bundle(arguments.bundle).manifest.version
    blob = pack_directory(arguments.bundle)
    sha256 = hashlib.sha256(blob).hexdigest()
    state = _state(arguments.config)
    path = state / DIRECTORY / BROUGHT / sha256
    try:
        replace_file(path, blob)  # readable for the daemon's user where root does this; the directory lets nobody else in
    except FileNotFoundError as error:
        hint = "Is it started, with a table [ota] in its configuration?"
        raise DaemonUnreachable(f"no daemon takes updates on the state directory {state}", hint=hint) from error
    except OSError as error:
        raise OutputUnwritable(f"{path}: {error.strerror}", hint="Do this as the daemon's user or as root.") from error
    try:
        _ask(state, Install(arguments.id, sha256, version))
    finally:
        path.unlink(missing_ok=True)
    out.print(f"{arguments.id}: {version} serves")
    return 0


def run_rollback(arguments: argparse.Namespace) -> int:
    """Go back; a refusal is the error."""
    from edged.daemon.control import GoBack

    _ask(_state(arguments.config), GoBack(arguments.id))
    out.print(f"{arguments.id}: what served before serves again")
    return 0


def _state(config: Path | None) -> Path:
    """The state directory of the daemon that is meant."""
    from edged.config.load import load
    from edged.config.schema import SERVICE_STATE, default_state_directory
    from edged.daemon.control import SOCKET_NAME

    if config is not None:
        return load(config).device.state_directory
    own = default_state_directory()
    return own if (own / SOCKET_NAME).exists() or not SERVICE_STATE.exists() else SERVICE_STATE


def _ask(state: Path, request: Request) -> None:
    from edged.daemon.control import Refused, ask

    reply = ask(state, request)
    if isinstance(reply, Refused):
        raise UpdateRefused("model_refused", reply.message, hint=reply.hint)
