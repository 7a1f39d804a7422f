"""``python rooted.py CONFIG ROOT``: the daemon on a machine whose /sys and /dev are below ROOT."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from edged.cli.run import LogEvents
from edged.cli.terminal import print_error
from edged.config.load import load
from edged.core.errors import EdgedError
from edged.daemon import app, logs

logs.setup(logging.DEBUG)
config = Path(sys.argv[1]).absolute()
try:
    asyncio.run(app.serve(load(config), lambda _: [LogEvents()], config, Path(sys.argv[2])))
except EdgedError as error:
    print_error(error)
    sys.exit(1)
