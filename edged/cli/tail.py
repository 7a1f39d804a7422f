"""``edged tail``: what a broker carries, as lines for a person or (``--json``) a program.

Everything here comes from the wire: it is shown with what does not print escaped, and believed in nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from edged.cli.terminal import err

if TYPE_CHECKING:
    import aiomqtt

    from edged.cli.terminal import Verbs
    from edged.mqtt.endpoint import Endpoint
    from edged.mqtt.events import AnyEventPayload


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it came."""

    topic: str
    payload: bytes


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("tail", help="print the events and states that a broker carries, as they come")
    verb.add_argument("--host", default="localhost", help="the broker (default: localhost)")
    verb.add_argument("--port", type=int, help="its port (default: 1883, with TLS 8883)")
    verb.add_argument("--username", help="user name to log in with")
    verb.add_argument("--password-file", type=Path, help="file with the password, readable by its owner only")
    verb.add_argument("--cafile", type=Path, help="use TLS, and trust the authorities in this PEM file")
    verb.add_argument("--fleet", default="+", help="one fleet only")
    verb.add_argument("--device", default="+", help="one device only")
    verb.add_argument("--topic", help="this MQTT topic filter, instead of those of edged (edged/v1/FLEET/DEVICE/#)")
    verb.add_argument("--json", action="store_true", help='one JSON object a line: {"topic": ..., "payload": ...}')
    verb.add_argument("--count", type=int, metavar="N", help="end after N messages")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print until interrupted, or until ``--count`` messages were printed."""
    from edged.mqtt.endpoint import read_endpoint
    from edged.mqtt.settings import MqttSettings, TlsSettings

    settings = MqttSettings(
        host=arguments.host,
        port=arguments.port,
        username=arguments.username,
        password_file=arguments.password_file,
        tls=TlsSettings(ca_file=arguments.cafile) if arguments.cafile else None,
    )
    endpoint = read_endpoint(settings, client_id="", will_topic=None, will=b"")
    topic_filter = arguments.topic or f"edged/v1/{arguments.fleet}/{arguments.device}/#"
    asyncio.run(_print_all(endpoint, topic_filter, as_json=arguments.json, count=arguments.count))
    return 0


async def _print_all(endpoint: Endpoint, topic_filter: str, *, as_json: bool, count: int | None) -> None:
    printed = 0
    async with aclosing(follow(endpoint, topic_filter)) as messages:
        async for heard in messages:
            print(json_line(heard) if as_json else line(heard), flush=True)
            printed += 1
            if printed == count:
                return


async def follow(endpoint: Endpoint, topic_filter: str) -> AsyncGenerator[Heard, None]:
    """Every message on ``topic_filter``, over as many connections as it takes.

    Raises BrokerUnreachable or BrokerRefused if the first connection fails: that is a wrong address rather than an outage. Also
    ConfigInvalid for a filter that is none.
    """
    import random

    import aiomqtt

    from edged.core.backoff import Backoff
    from edged.core.errors import BrokerUnreachable

    backoff = Backoff(0.2, 10.0, random.random)
    connected_before = False
    said = False
    while True:
        try:
            async with _subscribed(endpoint, topic_filter) as client:
                if said:
                    err.print(f"[dim]connected to {escape(endpoint.address)} again[/]")
                connected_before, said = True, False
                backoff.reset()
                try:
                    async for message in client.messages:
                        yield Heard(str(message.topic), bytes(message.payload))
                except aiomqtt.MqttError as error:
                    raise BrokerUnreachable(f"the connection to {endpoint.address} is lost: {error}") from error
        except BrokerUnreachable as error:
            if not connected_before:
                raise
            if not said:
                err.print(f"[dim]{escape(error.message)}; trying again[/]")
                said = True
        await asyncio.sleep(backoff.next_delay_s())


@asynccontextmanager
async def _subscribed(endpoint: Endpoint, topic_filter: str) -> AsyncIterator[aiomqtt.Client]:
    import aiomqtt
    from aiomqtt.exceptions import MqttConnectError

    from edged.core.errors import BrokerRefused, BrokerUnreachable, ConfigInvalid

    # 3.1.1, the default: every broker speaks it, and nothing of version 5 is needed to listen.
    client = aiomqtt.Client(
        endpoint.host, endpoint.port, username=endpoint.username, password=endpoint.password, tls_context=endpoint.tls
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(client)
            await client.subscribe(topic_filter, qos=1)
        except MqttConnectError as error:
            hint = "check --username and --password-file"
            raise BrokerRefused(f"{endpoint.address} refuses the connection: {error}", hint=hint) from error
        except aiomqtt.MqttError as error:
            raise BrokerUnreachable(f"{endpoint.address}: {error}", hint="is a broker running there?") from error
        except ValueError as error:  # paho's word for it
            raise ConfigInvalid(f"{topic_filter!r} is no topic filter", (str(error),)) from error
        yield client


def json_line(heard: Heard) -> str:
    """The message as one JSON object; a payload that is no JSON stands as a string."""
    text = heard.payload.decode(errors="replace")
    try:
        payload = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        payload = text
    return json.dumps({"topic": heard.topic, "payload": payload})


def _refuse(constant: str) -> None:
    """NaN and Infinity are Python's idea, not JSON's."""
    raise ValueError(constant)


def line(heard: Heard) -> str:
    """The message as one line for a person."""
    import msgspec

    from edged.mqtt.events import decode_event

    if "/event/" in heard.topic:
        try:
            return printable(event_line(decode_event(heard.payload)))
        except msgspec.MsgspecError:
            pass  # another version of edged, or not edged at all: shown as it is
    return printable(f"{heard.topic}  {heard.payload.decode(errors='replace')}")


def event_line(event: AnyEventPayload) -> str:
    """Time on this machine's clock, device, camera (or model), kind, and what the kind says."""
    from edged.mqtt import events as payload

    match event:
        case payload.ModelChangedPayload():
            subject = event.model_name
        case payload.UpdatePayload():
            subject = event.target_id
        case payload.InferencePayload() | payload.McuLostPayload() | payload.McuBackPayload():
            subject = event.mcu
        case _:
            subject = event.camera
    kind, rest = _kind_and_rest(event)
    return f"{local_time(event.time)}  {event.device}  {subject}  {kind}  {rest}"


def _kind_and_rest(event: AnyEventPayload) -> tuple[str, str]:  # noqa: PLR0911 - one for each kind
    from edged.mqtt import events as payload

    match event:
        case payload.ObjectAppearedPayload():
            return "object_appeared", f"{event.label}  {event.object_id}  score {event.score:.2f}"
        case payload.ObjectLeftPayload():
            return "object_left", f"{event.label}  {event.object_id}  dwell {event.dwell_s:.1f} s  ({event.reason})"
        case payload.SourceLostPayload():
            return "source_lost", event.reason
        case payload.SourceBackPayload():
            return "source_back", f"after {event.outage_s:.1f} s"
        case payload.ModelChangedPayload():
            why = f"  ({event.fallback})" if event.fallback else ""
            return "model_changed", f"{event.version}  {event.digest[:12]}  on {event.delegate}{why}"
        case payload.UpdatePayload():
            why = f"  ({event.code}: {event.detail})" if event.code != "ok" else ""
            return "update", f"{event.version}  {event.sha256[:12]}  {event.state}{why}"
        case payload.InferencePayload():
            return (
                "inference",
                f"{event.label}  score {event.score:.2f}  model {event.model_version}  {event.invoke_us / 1e3:.1f} ms",
            )
        case payload.McuLostPayload():
            return "mcu_lost", event.reason
        case payload.McuBackPayload():
            return "mcu_back", f"after {event.outage_s:.1f} s"


def local_time(time: str) -> str:
    """An RFC 3339 time on this machine's clock; as it stands if it is none."""
    try:
        return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return time


def printable(text: str) -> str:
    """The text with what a terminal might obey made visible."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)
