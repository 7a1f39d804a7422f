#!/usr/bin/env python3
"""Takes the events of all devices from a broker, each once, in the order of arrival: one JSON object a line on stdout.

    pip install aiomqtt
    ./consumer.py --host broker.local

The broker keeps what comes while this program or the network is away: session and subscription last a week, by client id. An event
may come twice, since devices send until they hear that it arrived; its id tells. Replace `handle` by what you want done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import OrderedDict
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

WEEK_S = 7 * 24 * 3600
PAUSE_S = 2
REMEMBERED = 100_000
"""Ids kept to know repeats by. A repeat follows soon, unless a device was away from the broker in between."""


class Seen:
    """The newest ids."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, id_: str) -> bool:
        """Whether this id comes for the first time; remembers it."""
        if id_ in self._ids:
            return False
        self._ids[id_] = None
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)
        return True


def handle(event: dict[str, Any]) -> None:
    """What is done with each event."""
    print(json.dumps(event), flush=True)


async def consume(host: str, port: int, topic: str, client_id: str) -> None:
    """Handle every new event, for ever; the connection is made again whenever it is lost."""
    seen = Seen()
    keep = Properties(PacketTypes.CONNECT)
    keep.SessionExpiryInterval = WEEK_S
    while True:
        client = aiomqtt.Client(
            host, port, identifier=client_id, protocol=aiomqtt.ProtocolVersion.V5, clean_start=False, properties=keep
        )
        try:
            async with client:
                await client.subscribe(topic, qos=1)
                print(f"listening at {host}:{port}", file=sys.stderr, flush=True)
                async for message in client.messages:
                    try:
                        event = json.loads(bytes(message.payload))
                        new = event["v"] == 1 and seen.is_new(event["id"])
                    except (ValueError, KeyError, TypeError):
                        continue  # not from edged
                    if new:
                        handle(event)
        except aiomqtt.MqttError as error:
            print(f"{error}; trying again in {PAUSE_S} s", file=sys.stderr, flush=True)
            await asyncio.sleep(PAUSE_S)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="print the events of edged devices")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", default="edged/v1/+/+/event/#")
    parser.add_argument("--client-id", default="edged-consumer", help="a name of its own for each that runs at the same time")
    arguments = parser.parse_args()
    asyncio.run(consume(arguments.host, arguments.port, arguments.topic, arguments.client_id))


if __name__ == "__main__":
    main()
