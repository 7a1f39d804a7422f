"""``python clocked.py CONFIG QUALITY PYTHON``: the daemon where the kernel says that of the clock; PYTHON runs its children.

What time it is, is libfaketime's matter: PYTHON is there because not every child is given the environment.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from edged.cli.run import LogEvents
from edged.cli.terminal import print_error
from edged.config.load import load
from edged.core.errors import EdgedError
from edged.daemon import app, clock, logs

logs.setup(logging.DEBUG)
config, quality, sys.executable = Path(sys.argv[1]).absolute(), sys.argv[2], sys.argv[3]
clock.discipline = lambda: (0, 0) if quality == "synchronised" else (clock.TIME_ERROR, clock.STA_UNSYNC)
try:
    asyncio.run(app.serve(load(config), lambda _: [LogEvents()], config))
except EdgedError as error:
    print_error(error)
    sys.exit(1)
