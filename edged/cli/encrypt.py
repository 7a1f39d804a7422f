"""``edged model encrypt``: a bundle whose models only a key opens."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("encrypt", help="make a bundle that lies encrypted on the disk of a device")
    action.add_argument("model", metavar="BUNDLE", help="a bundle directory, a .tflite file, or a name of `edged model list`")
    action.add_argument("--key", type=Path, required=True, metavar="FILE", help="64 hexadecimal digits: openssl rand -hex 32")
    action.add_argument("--to", type=Path, required=True, metavar="DIR", help="the directory to make")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write it, and say what it is worth."""
    from rich.markup import escape

    from edged.infer.bundle import load_bundle, resolve
    from edged.infer.encryption import read_key
    from edged.tooling.encrypt import encrypt_bundle

    key = read_key(arguments.key, None)
    assert key is not None
    encrypt_bundle(load_bundle(resolve(arguments.model)), key, arguments.to)
    out.print(f"[green]encrypted[/]: {escape(str(arguments.to))}")
    out.print(r"[dim]Set key_file or key_credential in \[models.NAME] to its key. It keeps the model from who copies the card,[/]")
    out.print("[dim]and from nobody who is root on a device that has the key.[/]")
    return 0
