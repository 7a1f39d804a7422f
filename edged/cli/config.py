"""``edged config``: what can be configured, for editors and other programs."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("config", help="print the JSON Schema of the configuration")
    subjects = verb.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    schema = subjects.add_parser("schema", help="the JSON Schema, with every key, its bounds and its meaning")
    schema.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the schema."""
    from edged.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0
