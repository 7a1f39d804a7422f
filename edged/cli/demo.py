"""``edged demo``: the main job with nothing set up: a real clip (or a camera), a real model, a live view."""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.terminal import make_directory, out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.config.schema import Settings

MODEL = "blazeface-short"
CLIP = "carphone"
VIDEO = "annotated.mp4"
EVENTS = "events.jsonl"


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("demo", help="see it work: no broker, configuration or account needed, nor a camera")
    verb.add_argument(
        "--camera", metavar="DEVICE", help="use this camera (0, or a path such as /dev/v4l/by-id/...) in place of a clip"
    )
    verb.add_argument("--seconds", type=float, help="stop by itself after so long (default: at Ctrl-C)")
    verb.add_argument("--out", type=Path, default=Path("demo-output"), help="where to write the annotated video and the events")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Pull what is needed, run the daemon, say where the pictures are."""
    from edged.cli.live import LiveView
    from edged.cli.model import fetch
    from edged.daemon import app

    fetch(MODEL)
    clip = None if arguments.camera else fetch(CLIP)
    video, events = arguments.out / VIDEO, arguments.out / EVENTS
    make_directory(arguments.out)
    events.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="edged-demo-") as state:
        settings = demo_settings(clip, arguments.camera, arguments.out, Path(state))
        with LiveView(out, f"annotated frames: {video}   events: {events}   stop: Ctrl-C") as view:
            asyncio.run(_serve(app.serve(settings, lambda _: [view]), arguments.seconds))
    out.print(f"\nAnnotated frames: [bold]{video}[/]\nEvents: [bold]{events}[/]")
    return 0


def demo_settings(clip: Path | None, camera: str | None, out_directory: Path, state: Path) -> Settings:
    """The configuration of the demo: ``clip``, or ``camera`` where there is none, and everything it makes in the directories."""
    from edged.config.schema import DeviceSettings, Settings, SinkSettings
    from edged.infer.settings import ModelSettings
    from edged.sources.settings import FileSettings, V4l2Settings
    from edged.vision.settings import CameraSettings

    video = out_directory / VIDEO
    if clip is None:
        assert camera is not None
        device = V4l2Settings(device=int(camera) if camera.isdigit() else camera)
        cameras = {"camera": CameraSettings(model="faces", v4l2=device, annotated=video)}
    else:
        cameras = {"clip": CameraSettings(model="faces", file=FileSettings(path=clip, loop=True), annotated=video)}
    return Settings(
        device=DeviceSettings(name="demo", state_directory=state),
        models={"faces": ModelSettings(bundle=MODEL)},
        cameras=cameras,
        sinks=SinkSettings(jsonl=out_directory / EVENTS),
    )


async def _serve(daemon: Coroutine[None, None, None], seconds: float | None) -> None:
    """Serve; after ``seconds`` stop as Ctrl-C does."""
    if seconds is not None:
        asyncio.get_running_loop().call_later(seconds, signal.raise_signal, signal.SIGINT)
    await daemon
