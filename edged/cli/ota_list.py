"""``edged ota list``: what is published, for whom, and until when it is good."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.ota.publisher.channel import Channel
    from edged.ota.target import Rollout, SignedTarget

SOON_DAYS = 21
"""So long before signatures expire they are shown in red."""


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("list", help="what is published in each channel, and until when it is good")
    action.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    action.add_argument("--history", action="store_true", help="and what was before")
    action.add_argument("--json", action="store_true", help="one JSON object")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it. No key is needed."""
    from edged.ota.publisher.publisher import Publisher

    publisher = Publisher(arguments.dir, lambda name: "", lambda: datetime.now(UTC))
    channels = publisher.channels()
    history = {it.scope.channel: _history(publisher, it) if arguments.history else [] for it in channels}
    if arguments.json:
        records = [_record(it, history[it.scope.channel] if arguments.history else None) for it in channels]
        print(json.dumps({"fleet": publisher.directory.fleet, "channels": records}))
        return 0
    for channel in channels:
        _print(channel, history[channel.scope.channel])
    return 0


def expiry(channel: Channel) -> datetime:
    """When the first signature of a channel expires."""
    return min(signed.expires for signed in (channel.root, channel.timestamp, channel.snapshot, channel.targets))


def audience(rollout: Rollout) -> str:
    """Who takes it, in words."""
    who = "all devices" if rollout.percent == 100 else f"{rollout.percent} % of the devices" if rollout.percent else "no devices"
    if rollout.groups and rollout.percent < 100:
        groups = f"group{'s' if len(rollout.groups) > 1 else ''} {', '.join(rollout.groups)}"
        who = f"{groups} and {who}" if rollout.percent else groups
    when = f", from {datetime.fromtimestamp(rollout.not_before, UTC).astimezone():%Y-%m-%d %H:%M}" if rollout.not_before else ""
    return f"for {who}{when}"


def _history(publisher: Any, channel: Channel) -> list[SignedTarget]:
    """What was published of each path under each sequence, the newest first, without what is published now."""
    seen = {(path, signed.target.sequence) for path, signed in channel.signed.items()}
    found = []
    for before in publisher.history(channel.scope.channel):
        for path, signed in before.signed.items():
            if (path, signed.target.sequence) not in seen:
                seen.add((path, signed.target.sequence))
                found.append(signed)
    return found


def _print(channel: Channel, history: list[SignedTarget]) -> None:
    from rich.table import Table

    until = expiry(channel)
    colour = "red" if (until - datetime.now(UTC)).days < SOON_DAYS else "green"
    versions = f"root {channel.root.version}, targets {channel.targets.version}, timestamp {channel.timestamp.version}"
    out.print(f"[bold]{channel.scope.channel}[/]  good until [{colour}]{until:%Y-%m-%d}[/] [dim]({versions})[/]")
    table = Table("what", "seq", "version", "bytes", "sha256", "for whom", box=None, pad_edge=False, header_style="bold")
    for signed in channel.signed.values():
        revoked = signed.sha256 in signed.target.revoked
        table.add_row(*_row(signed), "[red]revoked[/]" if revoked else escape(audience(signed.target.rollout)))
    for signed in history:
        revoked = signed.path in channel.signed and signed.sha256 in channel.signed[signed.path].target.revoked
        table.add_row(*_row(signed), "[red]revoked[/]" if revoked else "before", style="dim")
    out.print(table if table.row_count else "[dim]nothing yet[/]")
    out.print()


def _row(signed: SignedTarget) -> tuple[str, ...]:
    return (signed.path, str(signed.target.sequence), escape(signed.target.version), f"{signed.length:,}", signed.sha256[:12])


def _record(channel: Channel, history: list[SignedTarget] | None) -> dict[str, Any]:
    import msgspec

    record = {
        "channel": channel.scope.channel,
        "expires_unix_s": int(expiry(channel).timestamp()),
        "versions": {it.type: it.version for it in (channel.root, channel.timestamp, channel.snapshot, channel.targets)},
        "targets": [msgspec.to_builtins(signed) for signed in channel.signed.values()],
    }
    return record if history is None else {**record, "history": [msgspec.to_builtins(signed) for signed in history]}
