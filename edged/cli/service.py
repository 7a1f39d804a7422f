"""``edged service install | uninstall``: edged as a service of systemd."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs

ROOT = Path("/")
MANAGER_SOCKET = Path("/run/systemd/system")
"""Exists where systemd is the service manager (sd_booted(3))."""


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("service", help="run edged as a systemd service, from where it is installed now")
    actions = verb.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = actions.add_parser("install", help="write the unit, and a first configuration where there is none")
    add.add_argument("--print", action="store_true", dest="print_only", help="print the unit and write nothing")
    add.set_defaults(run=run_install)
    remove = actions.add_parser("uninstall", help="stop the service and remove its unit; configuration and state stay")
    remove.set_defaults(run=run_uninstall)
    for action in (add, remove):
        action.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the system to change, such as a mounted image")


def run_install(arguments: argparse.Namespace) -> int:
    """Write the unit and say what comes next."""
    from edged.tooling import service

    installation = service.this_installation()
    if arguments.print_only:
        service.check_reachable(installation)
        print(service.render(service.shipped("edged.service"), installation), end="")
        return 0
    for path in service.install(installation, arguments.root):
        out.print(f"wrote {escape(str(path))}")
    if _live(arguments.root):
        _run("systemd-sysusers", str(arguments.root / service.GROUPS))
        _run("systemctl", "daemon-reload")
    out.print(
        f"[dim]Edit {escape(str(arguments.root / service.CONFIG))}, look with `edged doctor --config` at what it names, and\n"
        "sudo systemctl enable --now edged[/]"
    )
    return 0


def run_uninstall(arguments: argparse.Namespace) -> int:
    """Stop the service and remove the unit."""
    from edged.tooling import service

    if _live(arguments.root) and (arguments.root / service.UNIT).exists():
        _run("systemctl", "disable", "--now", "edged")
    for path in service.uninstall(arguments.root):
        out.print(f"removed {escape(str(path))}")
    if _live(arguments.root):
        _run("systemctl", "daemon-reload")
    out.print("[dim]Kept: /etc/edged and /var/lib/edged[/]")
    return 0


def _live(root: Path) -> bool:
    """Whether the system to change is the one that runs."""
    return root == ROOT and MANAGER_SOCKET.exists()


def _run(*command: str) -> None:
    subprocess.run(command, check=False)
