"""``edged check``: whether a configuration can be used, and what it would do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.config.schema import Settings


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("check", help="check a configuration and show what it says")
    verb.add_argument("config", type=Path, metavar="CONFIG", help="the configuration, a TOML file")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print "ok" and a summary; the problems, if there are any, come as the error."""
    from edged.config.load import load

    settings = load(arguments.config)
    out.print(f"{escape(str(arguments.config))}: ok")
    for name, value in summary(settings):
        out.print(f"  {name:16} {escape(value)}")
    return 0


def summary(settings: Settings) -> list[tuple[str, str]]:
    """What a person wants to see at a glance, as pairs of a key and its meaning."""
    from edged.mcu.settings import describe_mcu
    from edged.sources.settings import describe_source

    device, mqtt, sinks = settings.device, settings.mqtt, settings.sinks
    files = [str(sinks.jsonl)] if sinks.jsonl else []
    return [
        ("device", f"{device.name} of fleet {device.fleet}, state in {device.state_directory}"),
        *((f"models.{name}", f"{model.bundle}, delegate {model.delegate}") for name, model in settings.models.items()),
        *((f"cameras.{name}", f"{describe_source(camera)} -> {camera.model}") for name, camera in settings.cameras.items()),
        *((f"mcus.{name}", describe_mcu(mcu)) for name, mcu in settings.mcus.items()),
        ("mqtt", f"{mqtt.address}, {'TLS' if mqtt.tls else 'no TLS'}" if mqtt else "none: events stay on the device"),
        ("metrics", settings.metrics.listen or "none"),
        ("sinks", ", ".join((["console"] if sinks.console else []) + files) or "none"),
    ]
