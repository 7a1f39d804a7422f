"""``scripts/fuzz NAME``: feed damaged input to one part."""

from __future__ import annotations

import argparse
import json
import sys

import models
from rich.console import Console

import firmware

TARGETS = {"models": models, "firmware": firmware}


def main() -> int:
    top = argparse.ArgumentParser(
        prog="scripts/fuzz", description="Feed damaged input to edged; exit status 1 if it gets the better of it."
    )
    names = top.add_subparsers(metavar="NAME", required=True, title="what is fed")
    for name, module in TARGETS.items():
        one = names.add_parser(name, help=module.__doc__.splitlines()[0], description=module.__doc__)
        one.add_argument("--json", action="store_true", help="one JSON object, nothing else, on stdout")
        module.register(one)
        one.set_defaults(module=module)
    arguments = top.parse_args()
    result = arguments.module.fuzz(arguments, Console(stderr=True))
    if arguments.json:
        print(json.dumps(result))
    else:
        arguments.module.show(result, Console())
    return 0 if result["held"] else 1


sys.exit(main())
