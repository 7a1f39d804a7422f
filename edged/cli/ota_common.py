"""What the actions of ``edged ota`` share: options, the publisher that they name, and how a signed target reads."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli import ota_list, passphrases
from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.ota.publisher.publisher import Publisher
    from edged.ota.publisher.release import RolloutChange
    from edged.ota.target import SignedTarget


def add_channel(parser: argparse.ArgumentParser, default: str = "the only one") -> None:
    """The option that names one."""
    parser.add_argument("--channel", metavar="CHANNEL", help=f"the channel (default: {default})")


def add_keys(parser: argparse.ArgumentParser) -> None:
    """The options that say where keys and their passphrases are."""
    parser.add_argument("--keys", action="append", default=[], type=Path, metavar="DIR", help="more keys are there, as on a stick")
    passphrases.add_options(parser)


def add_rollout(parser: argparse.ArgumentParser) -> None:
    """The options that say who takes a target, and from when."""
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


def open_publisher(arguments: argparse.Namespace) -> Publisher:
    """The directory, its keys and passphrases; raises PublisherFailed, SecretUnreadable."""
    from edged.ota.publisher.publisher import Publisher

    return Publisher(arguments.dir, passphrases.Passphrases(arguments).existing, now, arguments.keys)


def channel_of(publisher: Publisher, arguments: argparse.Namespace) -> str:
    """The channel that was named, or the only one that there is; raises PublisherFailed."""
    from edged.core.errors import PublisherFailed

    channels = publisher.directory.channels()
    if arguments.channel is None and len(channels) != 1:
        raise PublisherFailed(f"there is more than one channel: {', '.join(channels)}", hint="Name one with --channel.")
    return str(arguments.channel or channels[0])


def change_of(arguments: argparse.Namespace) -> RolloutChange:
    """What ``add_rollout`` was given."""
    from edged.ota.publisher.release import RolloutChange

    groups = None if arguments.group is None else tuple(name for name in arguments.group if name)
    return RolloutChange(arguments.percent, groups, arguments.seed, arguments.not_before)


def say(channel: str, signed: SignedTarget) -> int:
    """Tell what was signed; the exit status."""
    what = f"{signed.path} sequence {signed.target.sequence}, version {signed.target.version}"
    out.print(f"[green]signed[/] for channel {channel}: {what}, sha256 {signed.sha256[:12]}, {signed.length:,} bytes")
    out.print(f"[dim]{ota_list.audience(signed.target.rollout)}; `edged ota push` brings it to the broker.[/]")
    return 0


def now() -> datetime:
    """The clock of this workstation."""
    return datetime.now(UTC)
