"""Makes the pictures of the README: ``make.py PICTURE`` (a public-domain picture with a face) beside this file.

live.svg is the demo's own view after some seconds; annotated.jpg is what ``edged detect --draw`` makes of PICTURE.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from edged.cli.demo import CLIP, MODEL, demo_settings
from edged.cli.live import LiveView
from edged.cli.model import fetch
from edged.daemon import app

HERE = Path(__file__).parent
SECONDS = 12


async def serve(daemon: object) -> None:
    asyncio.get_running_loop().call_later(SECONDS, signal.raise_signal, signal.SIGINT)
    await daemon  # type: ignore[misc]


def main(picture: str) -> None:
    fetch(MODEL)
    paper = Console(record=True, width=104, file=io.StringIO())
    view = LiveView(Console(file=io.StringIO()), "annotated frames: demo-output/annotated.mp4   stop: Ctrl-C")
    with tempfile.TemporaryDirectory() as scratch:
        settings = demo_settings(fetch(CLIP), None, Path(scratch), Path(scratch))
        asyncio.run(serve(app.serve(settings, lambda _: [view])))
        paper.print(view)
        drawing = paper.export_svg(title="scripts/demo")
        # Without rich's fonts from the network: any monospaced one does, and a README should load nothing from elsewhere.
        (HERE / "live.svg").write_text(re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL))
        command = [sys.executable, "-m", "edged", "detect", "--model", MODEL, "--source", picture, "--draw", scratch]
        subprocess.run(command, check=True)
        (drawn,) = Path(scratch).glob("*.jpg")
        shutil.copy(drawn, HERE / "annotated.jpg")


main(sys.argv[1])
