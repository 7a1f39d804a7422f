"""``python -m edged.infer.trial ROOT``: does a model run on its accelerator now?

A process of its own, since the answer may be a signal, or none. Reads ``ModelSettings`` and the identity of the bundle that was
probed, as msgpack, from stdin; ROOT is where /sys and /dev are. Exit status 0 if it runs; otherwise 1, and the reason on stdout.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from edged.core.errors import EdgedError
from edged.infer.bundle import load_bundle, resolve
from edged.infer.open import open_engine
from edged.infer.settings import ModelSettings

INFERENCES = 10
"""Besides the self-test: a device that is short of power answers once or twice."""

LIFETIME_S = 120
"""Beyond the deadline of who started it: a trial that hangs must not outlive a daemon that was killed meanwhile."""


def main(root: Path) -> int:
    """Load the model on its accelerator alone, and run it."""
    signal.alarm(LIFETIME_S)
    settings, identity = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=tuple[ModelSettings, str])
    if settings.delegate == "auto":
        settings = replace(settings, delegate="edgetpu")  # no way out to the CPU
    try:
        bundle = load_bundle(resolve(settings.bundle))
        if bundle.identity != identity:
            print("its files changed after it was probed")
            return 1
        engine = open_engine(bundle, settings, root=root)
        for _ in range(INFERENCES):
            engine.infer(lambda tensor: tensor.fill(0))
    except EdgedError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
