"""``edged ota``: what an operator signs for devices, in a directory on any workstation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli import ota_broker, ota_list, ota_sign, passphrases
from edged.cli.ota_common import add_channel, add_keys, add_rollout, change_of, channel_of, now, open_publisher, say
from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs

WHICH = "sequence, version or the start of the sha256, as `edged ota list --history` shows them"

ROLES = ("timestamp", "snapshot", "targets", "root")
"""As TUF calls them."""


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("ota", help="sign updates for devices, and bring them to a broker")
    actions = verb.add_subparsers(title="actions", metavar="ACTION", required=True)
    _register_init(actions)
    ota_sign.register(actions)
    _register_changes(actions)
    _register_keys(actions)
    ota_list.register(actions)
    ota_broker.register(actions)


def _register_init(actions: Verbs) -> None:
    init = actions.add_parser("init", help="make a publisher's directory with its keys; or another channel in one")
    init.add_argument("dir", type=Path, metavar="DIR", help="not there yet, for a new one")
    init.add_argument("--fleet", metavar="FLEET", help="as `fleet` says it in the configuration of the devices")
    init.add_argument("--channel", default="stable", metavar="CHANNEL", help="as `[ota] channel` of the devices (default: stable)")
    add_keys(init)
    init.set_defaults(run=run_init)


def _register_changes(actions: Verbs) -> None:
    promote = actions.add_parser("promote", help="publish in one channel what another has")
    _add_target(promote)
    promote.add_argument("--from", required=True, dest="source", metavar="CHANNEL", help="where it is")
    promote.add_argument("--to", required=True, metavar="CHANNEL", help="where it is to be")
    add_rollout(promote)
    add_keys(promote)
    promote.set_defaults(run=run_promote)

    rollout = actions.add_parser("rollout", help="change which devices take what is published, and from when")
    _add_target(rollout)
    add_rollout(rollout)
    add_channel(rollout)
    add_keys(rollout)
    rollout.set_defaults(run=run_rollout)

    rollback = actions.add_parser("rollback", help="publish again what was there before")
    _add_target(rollback)
    rollback.add_argument("which", metavar="WHICH", help=WHICH)
    add_rollout(rollback)
    add_channel(rollback)
    add_keys(rollback)
    rollback.set_defaults(run=run_rollback)

    revoke = actions.add_parser("revoke", help="have no device run a bundle any more, in any channel")
    _add_target(revoke)
    revoke.add_argument("which", metavar="WHICH", help=WHICH)
    add_keys(revoke)
    revoke.set_defaults(run=run_revoke)


def _register_keys(actions: Verbs) -> None:
    refresh = actions.add_parser("refresh", help="have what is published be good for longer")
    refresh.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    add_channel(refresh, "every channel")
    add_keys(refresh)
    refresh.set_defaults(run=run_refresh)

    rotate = actions.add_parser("rotate", help="replace keys")
    rotate.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    rotate.add_argument("roles", nargs="*", metavar="ROLE", help=f"{', '.join(ROLES)}; none to finish what was interrupted")
    add_keys(rotate)
    rotate.set_defaults(run=run_rotate)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    parser.add_argument("id", metavar="ID", help="its id; KIND/ID if it is no model")


def run_init(arguments: argparse.Namespace) -> int:
    """Make a directory, or a channel."""
    from edged.core.errors import PublisherFailed
    from edged.ota.publisher.founding import create
    from edged.ota.publisher.keeping import NOTE, NOTE_NAME

    directory: Path = arguments.dir
    if (directory / "fleet").is_file():
        publisher = open_publisher(arguments)
        if arguments.fleet not in {None, publisher.directory.fleet}:
            raise PublisherFailed(
                f"{directory} is of fleet {publisher.directory.fleet!r}", hint="Each fleet has its own directory."
            )
        root = publisher.add_channel(arguments.channel)
    else:
        if arguments.fleet is None:
            raise PublisherFailed(f"{directory} is no publisher's directory yet", hint="Name the fleet: --fleet FLEET makes one.")
        secrets = passphrases.Passphrases(arguments)
        root = create(directory, arguments.fleet, arguments.channel, secrets.new, now)
        out.print(NOTE, markup=False)
        out.print(f"(This is in {directory / NOTE_NAME} too.)", markup=False)
    out.print(f"Channel {arguments.channel}: bring {root} to its devices, and name it there as `[ota] root`.", markup=False)
    return 0


def run_promote(arguments: argparse.Namespace) -> int:
    """Publish in another channel."""
    publisher = open_publisher(arguments)
    return say(arguments.to, publisher.promote(_path(arguments), arguments.source, arguments.to, change_of(arguments)))


def run_rollout(arguments: argparse.Namespace) -> int:
    """Change who takes it."""
    publisher = open_publisher(arguments)
    channel = channel_of(publisher, arguments)
    return say(channel, publisher.rollout(channel, _path(arguments), change_of(arguments)))


def run_rollback(arguments: argparse.Namespace) -> int:
    """Publish again."""
    publisher = open_publisher(arguments)
    channel = channel_of(publisher, arguments)
    return say(channel, publisher.rollback(channel, _path(arguments), arguments.which, change_of(arguments)))


def run_revoke(arguments: argparse.Namespace) -> int:
    """Take back everywhere."""
    bad = open_publisher(arguments).revoke(_path(arguments), arguments.which)
    out.print(f"[green]revoked[/] in every channel: {bad.path} {bad.sha256[:12]} (version {bad.target.version})")
    return 0


def run_refresh(arguments: argparse.Namespace) -> int:
    """Sign again."""
    publisher = open_publisher(arguments)
    for name in [arguments.channel] if arguments.channel else publisher.directory.channels():
        out.print(f"channel {name}: good until {ota_list.expiry(publisher.refresh(name)):%Y-%m-%d}", markup=False)
    return 0


def run_rotate(arguments: argparse.Namespace) -> int:
    """Replace keys."""
    from edged.core.errors import PublisherFailed

    for role in arguments.roles:
        if role not in ROLES:
            raise PublisherFailed(f"there is no role {role!r}", hint=f"There are: {', '.join(ROLES)}.")
    for channel in open_publisher(arguments).rotate(arguments.roles, passphrases.Passphrases(arguments).new):
        out.print(f"channel {channel.scope.channel}: root {channel.root.version}", markup=False)
    out.print("Old key files are in keys/retired: destroy them, and put new root keys where the old ones were.", markup=False)
    return 0


def _path(arguments: argparse.Namespace) -> str:
    return arguments.id if "/" in arguments.id else f"model/{arguments.id}"
