"""``edged version``: what is installed, for a person or (``--json``) a program."""

from __future__ import annotations

import argparse
import json
import platform
from importlib import metadata
from typing import TYPE_CHECKING

import edged
from edged.cli.terminal import out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("version", help="name the versions of edged, runtimes, delegates, OpenCV and Python")
    verb.add_argument("--json", action="store_true", help="one JSON object")
    verb.set_defaults(run=run)


def versions() -> dict[str, str | list[str]]:
    """Versions by the field's names, without importing anything heavy; of the delegates, those that could be used here and now."""
    from edged.infer.edgetpu import find_edgetpus
    from edged.infer.runtime import installed

    return {
        "edged": edged.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "runtimes": list(installed().values()),
        "delegates": ["xnnpack", *(["edgetpu"] if find_edgetpus() else [])],
        "opencv": metadata.version("opencv-python-headless"),
        "numpy": metadata.version("numpy"),
        "mqtt": f"paho-mqtt {metadata.version('paho-mqtt')}",
    }


def run(arguments: argparse.Namespace) -> int:
    """Print the versions."""
    found = versions()
    if arguments.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        out.print(f"{name:10} {', '.join(value) if isinstance(value, list) else value}")
    return 0
