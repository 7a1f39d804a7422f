"""``scripts/bench NAME [--json]``: run one measurement."""

from __future__ import annotations

import argparse
import json
import sys

import accuracy
import delivery
import fleet
import mcu
import mcu_flash
import pipeline
import stream
import swap
import transfer
from rich.console import Console

MEASUREMENTS = {
    "pipeline": pipeline,
    "accuracy": accuracy,
    "stream": stream,
    "delivery": delivery,
    "swap": swap,
    "transfer": transfer,
    "fleet": fleet,
    "mcu": mcu,
    "mcu_flash": mcu_flash,
}


def main() -> int:
    top = argparse.ArgumentParser(prog="scripts/bench", description="Measure edged on this machine.")
    names = top.add_subparsers(metavar="NAME", required=True, title="measurements")
    for name, module in MEASUREMENTS.items():
        one = names.add_parser(name, help=module.__doc__.splitlines()[0], description=module.__doc__)
        one.add_argument("--json", action="store_true", help="one JSON object, nothing else, on stdout")
        module.register(one)
        one.set_defaults(module=module)
    arguments = top.parse_args()
    console = Console(stderr=True)
    result = arguments.module.measure(arguments, console)
    if arguments.json:
        print(json.dumps(result))
    else:
        arguments.module.show(result, Console())
    return 0


sys.exit(main())
