"""The ``edged`` command: one file per verb, each with ``register(verbs)`` and ``run(arguments) -> exit status``.

A verb imports what is heavy inside its ``run``, so that ``edged --help`` stays quick on a Pi.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from edged.cli import camera, check, config, demo, detect, doctor, mcu, model, ota, reload, run, service, tail, version
from edged.cli.terminal import print_error
from edged.core.errors import EdgedError

VERBS = (run, reload, demo, detect, check, config, camera, model, mcu, ota, tail, service, doctor, version)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="edged", description="Edge inference daemon for Raspberry Pi and microcontrollers.")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        verb.register(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 is success, 1 an error that was explained, 2 a command line that makes no sense."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except EdgedError as error:
        print_error(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `edged tail | head`
        sys.stderr.close()
        return 0
