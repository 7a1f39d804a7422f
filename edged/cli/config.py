"""``edged config``: what can be configured, for editors and other programs."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("config", help="print the JSON Schema of the configuration, or of what is published")
    subjects = verb.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    schema = subjects.add_parser("schema", help="the JSON Schema, with every key, its bounds and its meaning")
    schema.set_defaults(run=run)
    payloads = subjects.add_parser("payloads", help="the JSON Schema of everything that is published over MQTT, by kind")
    payloads.set_defaults(run=run_payloads)
    document = subjects.add_parser("asyncapi", help="the contract over MQTT, topics and payloads, as AsyncAPI 3.0")
    document.set_defaults(run=run_asyncapi)


def run(_: argparse.Namespace) -> int:
    """Print the configuration's schema."""
    from edged.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def run_payloads(_: argparse.Namespace) -> int:
    """Print the schema of each payload."""
    from edged.mqtt.payload import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def run_asyncapi(_: argparse.Namespace) -> int:
    """Print the contract."""
    from edged.mqtt.asyncapi import asyncapi

    print(json.dumps(asyncapi(), indent=2))
    return 0
