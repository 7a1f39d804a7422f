"""``edged ota``: what an operator signs for devices, in a directory on any workstation."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edged.cli import ota_broker, ota_list, passphrases
from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.ota.publisher.publisher import Publisher
    from edged.ota.publisher.release import RolloutChange
    from edged.ota.target import SignedTarget

WHICH = "sequence, version or the start of the sha256, as `edged ota list --history` shows them"

ROLES = ("timestamp", "snapshot", "targets", "root")
"""As TUF calls them."""


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("ota", help="sign updates for devices, and bring them to a broker")
    actions = verb.add_subparsers(title="actions", metavar="ACTION", required=True)
    _register_init(actions)
    _register_sign(actions)
    _register_changes(actions)
    _register_keys(actions)
    ota_list.register(actions)
    ota_broker.register(actions)


def _register_init(actions: Verbs) -> None:
    init = actions.add_parser("init", help="make a publisher's directory with its keys; or another channel in one")
    init.add_argument("dir", type=Path, metavar="DIR", help="not there yet, for a new one")
    init.add_argument("--fleet", metavar="FLEET", help="as `fleet` says it in the configuration of the devices")
    init.add_argument("--channel", default="stable", metavar="CHANNEL", help="as `[ota] channel` of the devices (default: stable)")
    _add_keys(init)
    init.set_defaults(run=run_init)


def _register_sign(actions: Verbs) -> None:
    from edged.ota.target import Kind

    sign = actions.add_parser("sign", help="publish a bundle as the newest of its id")
    sign.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    sign.add_argument("bundle", type=Path, metavar="BUNDLE", help="a directory: of a model, the one with its model.toml")
    sign.add_argument("--id", required=True, metavar="ID", help="what devices follow it by")
    sign.add_argument("--kind", choices=get_args(Kind), default="model", help="what it is (default: %(default)s)")
    sign.add_argument("--version", metavar="TEXT", help="for people (default: that of the model)")
    only = sign.add_argument_group("only for some devices", "each may be given more than once")
    for name, of in (("device", "this name"), ("machine", "this machine, such as aarch64"), ("runtime", "this runtime")):
        only.add_argument(f"--{name}", action="append", default=[], metavar="NAME", help=f"devices of {of}")
    only.add_argument(
        "--accelerator", action="append", default=[], metavar="NAME", help="devices that infer on one, such as edgetpu"
    )
    only.add_argument("--edged", default="0", metavar="VERSION", help="devices with this version of edged or a later one")
    limits = sign.add_argument_group("limits")
    limits.add_argument("--memory-mb", type=int, metavar="MB", help="most memory that it may take")
    limits.add_argument("--p95-ms", type=int, metavar="MS", help="longest that 95 of 100 inferences may take")
    _add_rollout(sign)
    _add_channel(sign)
    _add_keys(sign)
    sign.set_defaults(run=run_sign)


def _register_changes(actions: Verbs) -> None:
    promote = actions.add_parser("promote", help="publish in one channel what another has")
    _add_target(promote)
    promote.add_argument("--from", required=True, dest="source", metavar="CHANNEL", help="where it is")
    promote.add_argument("--to", required=True, metavar="CHANNEL", help="where it is to be")
    _add_rollout(promote)
    _add_keys(promote)
    promote.set_defaults(run=run_promote)

    rollout = actions.add_parser("rollout", help="change which devices take what is published, and from when")
    _add_target(rollout)
    _add_rollout(rollout)
    _add_channel(rollout)
    _add_keys(rollout)
    rollout.set_defaults(run=run_rollout)

    rollback = actions.add_parser("rollback", help="publish again what was there before")
    _add_target(rollback)
    rollback.add_argument("which", metavar="WHICH", help=WHICH)
    _add_rollout(rollback)
    _add_channel(rollback)
    _add_keys(rollback)
    rollback.set_defaults(run=run_rollback)

    revoke = actions.add_parser("revoke", help="have no device run a bundle any more, in any channel")
    _add_target(revoke)
    revoke.add_argument("which", metavar="WHICH", help=WHICH)
    _add_keys(revoke)
    revoke.set_defaults(run=run_revoke)


def _register_keys(actions: Verbs) -> None:
    refresh = actions.add_parser("refresh", help="have what is published be good for longer")
    refresh.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    _add_channel(refresh, "every channel")
    _add_keys(refresh)
    refresh.set_defaults(run=run_refresh)

    rotate = actions.add_parser("rotate", help="replace keys")
    rotate.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    rotate.add_argument("roles", nargs="*", metavar="ROLE", help=f"{', '.join(ROLES)}; none to finish what was interrupted")
    _add_keys(rotate)
    rotate.set_defaults(run=run_rotate)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    parser.add_argument("id", metavar="ID", help="its id; KIND/ID if it is no model")


def _add_channel(parser: argparse.ArgumentParser, default: str = "the only one") -> None:
    parser.add_argument("--channel", metavar="CHANNEL", help=f"the channel (default: {default})")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keys", action="append", default=[], type=Path, metavar="DIR", help="more keys are there, as on a stick")
    passphrases.add_options(parser)


def _add_rollout(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rollout", "which devices take it: those of a group that is named, and a share of all")
    group.add_argument("--percent", type=int, metavar="N", help="the share of devices, drawn by their names")
    group.add_argument("--group", action="append", metavar="NAME", help="may be given more than once; '' for none any more")
    group.add_argument("--seed", metavar="TEXT", help="draws others than another text does (default: another for each sequence)")
    group.add_argument("--not-before", type=_moment, metavar="TIME", help="local, such as 2026-12-24T18:00; 'now' for at once")


def _moment(text: str) -> int:
    """Unix time in seconds."""
    if text == "now":
        return 0
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp())
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-12-24T18:00") from None


def run_init(arguments: argparse.Namespace) -> int:
    """Make a directory, or a channel."""
    from edged.core.errors import PublisherFailed
    from edged.ota.publisher.founding import create
    from edged.ota.publisher.keeping import NOTE, NOTE_NAME

    directory: Path = arguments.dir
    if (directory / "fleet").is_file():
        publisher = _publisher(arguments)
        if arguments.fleet not in {None, publisher.directory.fleet}:
            raise PublisherFailed(
                f"{directory} is of fleet {publisher.directory.fleet!r}", hint="Each fleet has its own directory."
            )
        root = publisher.add_channel(arguments.channel)
    else:
        if arguments.fleet is None:
            raise PublisherFailed(f"{directory} is no publisher's directory yet", hint="Name the fleet: --fleet FLEET makes one.")
        secrets = passphrases.Passphrases(arguments)
        root = create(directory, arguments.fleet, arguments.channel, secrets.new, _now)
        out.print(NOTE, markup=False)
        out.print(f"(This is in {directory / NOTE_NAME} too.)", markup=False)
    out.print(f"Channel {arguments.channel}: bring {root} to its devices, and name it there as `[ota] root`.", markup=False)
    return 0


def run_sign(arguments: argparse.Namespace) -> int:
    """Publish a bundle."""
    from edged.ota.target import Constraints, Limits
    from edged.tooling.article import Wish, make_article

    publisher = _publisher(arguments)
    channel = _channel(publisher, arguments)
    wish = Wish(
        kind=arguments.kind,
        id=arguments.id,
        version=arguments.version,
        constraints=Constraints(
            devices=tuple(arguments.device),
            machines=tuple(arguments.machine),
            runtimes=tuple(arguments.runtime),
            accelerators=tuple(arguments.accelerator),
            edged=arguments.edged,
        ),
        limits=Limits(memory_mb=arguments.memory_mb, p95_ms=arguments.p95_ms),
    )
    return _say(channel, publisher.sign(channel, make_article(arguments.bundle, wish, None), _change(arguments)))


def run_promote(arguments: argparse.Namespace) -> int:
    """Publish in another channel."""
    publisher = _publisher(arguments)
    return _say(arguments.to, publisher.promote(_path(arguments), arguments.source, arguments.to, _change(arguments)))


def run_rollout(arguments: argparse.Namespace) -> int:
    """Change who takes it."""
    publisher = _publisher(arguments)
    channel = _channel(publisher, arguments)
    return _say(channel, publisher.rollout(channel, _path(arguments), _change(arguments)))


def run_rollback(arguments: argparse.Namespace) -> int:
    """Publish again."""
    publisher = _publisher(arguments)
    channel = _channel(publisher, arguments)
    return _say(channel, publisher.rollback(channel, _path(arguments), arguments.which, _change(arguments)))


def run_revoke(arguments: argparse.Namespace) -> int:
    """Take back everywhere."""
    bad = _publisher(arguments).revoke(_path(arguments), arguments.which)
    out.print(f"[green]revoked[/] in every channel: {bad.path} {bad.sha256[:12]} (version {bad.target.version})")
    return 0


def run_refresh(arguments: argparse.Namespace) -> int:
    """Sign again."""
    publisher = _publisher(arguments)
    for name in [arguments.channel] if arguments.channel else publisher.directory.channels():
        out.print(f"channel {name}: good until {ota_list.expiry(publisher.refresh(name)):%Y-%m-%d}", markup=False)
    return 0


def run_rotate(arguments: argparse.Namespace) -> int:
    """Replace keys."""
    from edged.core.errors import PublisherFailed

    for role in arguments.roles:
        if role not in ROLES:
            raise PublisherFailed(f"there is no role {role!r}", hint=f"There are: {', '.join(ROLES)}.")
    for channel in _publisher(arguments).rotate(arguments.roles, passphrases.Passphrases(arguments).new):
        out.print(f"channel {channel.scope.channel}: root {channel.root.version}", markup=False)
    out.print("Old key files are in keys/retired: destroy them, and put new root keys where the old ones were.", markup=False)
    return 0


def _publisher(arguments: argparse.Namespace) -> Publisher:
    from edged.ota.publisher.publisher import Publisher

    return Publisher(arguments.dir, passphrases.Passphrases(arguments).existing, _now, arguments.keys)


def _channel(publisher: Publisher, arguments: argparse.Namespace) -> str:
    """The channel that was named, or the only one that there is."""
    from edged.core.errors import PublisherFailed

    channels = publisher.directory.channels()
    if arguments.channel is None and len(channels) != 1:
        raise PublisherFailed(f"there is more than one channel: {', '.join(channels)}", hint="Name one with --channel.")
    return str(arguments.channel or channels[0])


def _path(arguments: argparse.Namespace) -> str:
    return arguments.id if "/" in arguments.id else f"model/{arguments.id}"


def _change(arguments: argparse.Namespace) -> RolloutChange:
    from edged.ota.publisher.release import RolloutChange

    groups = None if arguments.group is None else tuple(name for name in arguments.group if name)
    return RolloutChange(arguments.percent, groups, arguments.seed, arguments.not_before)


def _say(channel: str, signed: SignedTarget) -> int:
    what = f"{signed.path} sequence {signed.target.sequence}, version {signed.target.version}"
    out.print(f"[green]signed[/] for channel {channel}: {what}, sha256 {signed.sha256[:12]}, {signed.length:,} bytes")
    out.print(f"[dim]{ota_list.audience(signed.target.rollout)}; `edged ota push` brings it to the broker.[/]")
    return 0


def _now() -> datetime:
    return datetime.now(UTC)
