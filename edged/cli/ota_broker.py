"""``edged ota push | prune | serve | status``: between a publisher's directory and the broker. No key is needed for any of them.

What comes from the broker is shown with what does not print escaped, and believed in nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli import ota_list
from edged.cli.tail import local_time, printable
from edged.cli.terminal import err, out
from edged.core.errors import PublisherFailed

if TYPE_CHECKING:
    from rich.progress import Progress

    from edged.cli.terminal import Verbs
    from edged.mqtt.carrier import MqttCarrier
    from edged.mqtt.updates import FollowedPayload
    from edged.ota.publisher.channel import Channel
    from edged.ota.publisher.publisher import Publisher
    from edged.ota.topics import UpdateTopics
    from edged.ota.upload import Blob

Work = Callable[["MqttCarrier", "UpdateTopics"], Coroutine[Any, Any, Any]]

COLOURS = {"confirmed": "green", "rejected": "red", "failed": "red", "reverted": "red"}


def register(actions: Verbs) -> None:
    """Add the actions."""
    push = actions.add_parser("push", help="bring what is signed to the broker; what it has already is not sent again")
    push.add_argument("--channel", metavar="CHANNEL", help="one channel only")
    push.add_argument("--json", action="store_true", help="one JSON object at the end")
    _finish(push, run_push)

    prune = actions.add_parser("prune", help="clear bundles from the broker that no channel of this directory names any more")
    _finish(prune, run_prune)

    serve = actions.add_parser("serve", help="answer devices, for brokers that keep no retained messages; until interrupted")
    _finish(serve, run_serve)

    status = actions.add_parser("status", help="how updates stand on every device")
    status.add_argument("--json", action="store_true", help="one JSON array")
    _finish(status, run_status)


def _finish(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    broker = parser.add_argument_group("broker")
    broker.add_argument("--host", default="localhost", help="the broker (default: localhost)")
    broker.add_argument("--port", type=int, help="its port (default: 1883, with TLS 8883)")
    broker.add_argument("--username", help="user name to log in with")
    broker.add_argument("--password-file", type=Path, help="file with the password, readable by its owner only")
    broker.add_argument("--cafile", type=Path, help="use TLS, and trust the authorities in this PEM file")
    broker.add_argument("--prefix", default="edged/v1", help="as `[mqtt] topic_prefix` of the devices (default: %(default)s)")
    parser.set_defaults(run=run)


def run_push(arguments: argparse.Namespace) -> int:
    """Blobs first, then what is signed of them."""
    publisher = _publisher(arguments)
    channels = [publisher.channel(arguments.channel)] if arguments.channel else publisher.channels()
    for channel in channels:
        if ota_list.expiry(channel) <= datetime.now(UTC):
            said = f"what is signed of channel {channel.scope.channel!r} has expired: devices would not install it"
            raise PublisherFailed(said, hint="Run `edged ota refresh` first.")
    record = _connected(arguments, publisher, lambda carrier, topics: _push(carrier, topics, publisher, channels))
    if arguments.json:
        print(json.dumps(record))
    return 0


async def _push(carrier: MqttCarrier, topics: UpdateTopics, publisher: Publisher, channels: list[Channel]) -> dict[str, Any]:
    from edged.ota.upload import Blob, announce, push

    wanted = {it.sha256: it.path for channel in channels for it in channel.signed.values() if it.sha256 not in it.target.revoked}
    blobs = []
    with _progress() as progress:
        for sha256, path in wanted.items():
            task = progress.add_task(f"{path} {sha256[:12]}", total=None)
            pushed = await push(carrier, topics, Blob(publisher.directory.blob(sha256)), _advance(progress, task))
            blobs.append({"path": path, "sha256": sha256, "sent": pushed.sent, "skipped": pushed.skipped})
            err.print(f"{path} {sha256[:12]}: {pushed.sent} chunks sent, {pushed.skipped} were there", markup=False)
    for channel in channels:
        await announce(carrier, topics, channel.scope.channel, channel.bundle)
        err.print(f"[green]channel {channel.scope.channel}[/] is published: targets {channel.targets.version}")
    return {"blobs": blobs, "channels": {channel.scope.channel: channel.targets.version for channel in channels}}


def run_prune(arguments: argparse.Namespace) -> int:
    """Keep what any channel names."""
    from edged.ota.upload import prune

    publisher = _publisher(arguments)
    keep = {signed.sha256 for channel in publisher.channels() for signed in channel.signed.values()}

    def said(sha256: str, count: int) -> None:
        err.print(f"cleared {sha256[:12]}, {count} chunks", markup=False)

    cleared = _connected(arguments, publisher, lambda carrier, topics: prune(carrier, topics, keep, said))
    out.print(f"{cleared} bundles cleared, {len(keep)} kept")
    return 0


def run_serve(arguments: argparse.Namespace) -> int:
    """Answer, with what is signed at the time."""
    from edged.ota.serve import serve
    from edged.ota.upload import Blob

    publisher = _publisher(arguments)
    directory = publisher.directory

    @lru_cache(maxsize=2)  # of up to 64 MiB
    def blob(sha256: str) -> Blob:
        return Blob(directory.blob(sha256))

    def named(sha256: str) -> Blob | None:
        try:
            known = {it.sha256 for channel in publisher.channels() for it in channel.signed.values()}
            return blob(sha256) if sha256 in known else None
        except PublisherFailed as error:  # of one file: the others are answered
            err.print(str(error), markup=False)
            return None

    def bundle(channel: str) -> bytes | None:
        try:
            return directory.bundle(channel) if channel in directory.channels() else None
        except PublisherFailed as error:
            err.print(str(error), markup=False)
            return None

    err.print(f"answering devices of fleet {directory.fleet}; Ctrl-C ends it", markup=False)
    _connected(arguments, publisher, lambda carrier, topics: serve(carrier, topics, named, bundle))
    return 0


def run_status(arguments: argparse.Namespace) -> int:
    """What devices say."""
    from edged.ota.upload import statuses

    publisher = _publisher(arguments)
    said = _connected(arguments, publisher, statuses)
    rows = [(device, followed) for device, payload in sorted(said.items()) for followed in _followed(payload)]
    if arguments.json:
        print(json.dumps([_record(device, followed) for device, followed in rows]))
    else:
        _print(rows, len(said))
    return 0


def _followed(payload: bytes) -> tuple[FollowedPayload | None, ...]:
    """What a device says of each thing that it follows; ``None`` if that cannot be read."""
    import msgspec

    from edged.mqtt.updates import UpdatesPayload

    try:
        return msgspec.json.decode(payload, type=UpdatesPayload).updates
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return (None,)


def _record(device: str, followed: FollowedPayload | None) -> dict[str, Any]:
    import msgspec

    return {"device": device, **({"unreadable": True} if followed is None else msgspec.to_builtins(followed))}


def _print(rows: list[tuple[str, FollowedPayload | None]], devices: int) -> None:
    from rich.table import Table

    table = Table("device", "what", "seq", "version", "state", "code", "since", "", box=None, pad_edge=False, header_style="bold")
    for device, it in rows:
        if it is None:
            table.add_row(_shown(device), "[red]says what cannot be read[/]")
            continue
        colour = COLOURS.get(it.state, "yellow")
        progress = f" {it.chunks}/{it.chunks_total}" if it.state == "downloading" else ""
        what = (_shown(device), _shown(f"{it.target_kind}/{it.target_id}"), str(it.sequence), _shown(it.version))
        code = "" if it.code == "ok" else _shown(it.code)
        table.add_row(*what, f"[{colour}]{it.state}{progress}[/]", code, _shown(local_time(it.since)), _shown(it.detail))
    out.print(table if rows else "[dim]no device has said anything about updates yet[/]")
    if rows:
        out.print(f"[dim]{devices} device{'' if devices == 1 else 's'}[/]")


def _shown(text: str) -> str:
    return escape(printable(text[:200]))


def _publisher(arguments: argparse.Namespace) -> Publisher:
    from edged.ota.publisher.publisher import Publisher

    return Publisher(arguments.dir, lambda name: "", lambda: datetime.now(UTC))


def _connected(
    arguments: argparse.Namespace, publisher: Publisher, work: Callable[[Any, UpdateTopics], Coroutine[Any, Any, Any]]
) -> Any:
    """Do ``work`` with a connection; raises BrokerUnreachable, BrokerRefused."""
    from edged.ota.topics import UpdateTopics

    topics = UpdateTopics(arguments.prefix, publisher.directory.fleet)

    async def run() -> Any:
        async with _carrier(arguments, topics) as carrier:
            await carrier.keeps_retained()  # waits for a connection once, where pushing would wait for each of its messages
            return await work(carrier, topics)

    return asyncio.run(run())


@asynccontextmanager
async def _carrier(arguments: argparse.Namespace, topics: UpdateTopics) -> AsyncIterator[MqttCarrier]:
    import secrets

    from edged.mqtt.carrier import MqttCarrier
    from edged.mqtt.settings import MqttSettings, TlsSettings

    settings = MqttSettings(
        host=arguments.host,
        port=arguments.port,
        username=arguments.username,
        password_file=arguments.password_file,
        tls=TlsSettings(ca_file=arguments.cafile) if arguments.cafile else None,
    )
    name = f"publisher-{secrets.token_hex(4)}"  # two at a time would throw each other out
    carrier = MqttCarrier(settings, f"edged-{topics.fleet}-{name}", topics.reply(name))
    running = asyncio.create_task(carrier.run())
    try:
        yield carrier
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, transient=True)


def _advance(progress: Progress, task: Any) -> Callable[[int, int], None]:
    return lambda done, total: progress.update(task, completed=done, total=total)
