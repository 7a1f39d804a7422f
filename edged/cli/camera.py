"""``edged camera list | snapshot``: which cameras there are, and what one of them sees."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.terminal import err, out
from edged.core.errors import ConfigInvalid, OutputUnwritable

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.sources.settings import SourceSettings
    from edged.tooling.cameras import Camera, Survey

TIMEOUT_S = 20.0


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("camera", help="list the cameras; take a picture as the daemon would see it")
    actions = verb.add_subparsers(title="actions", metavar="ACTION", required=True)

    names = actions.add_parser("list", help="the cameras of this machine, how to configure them, and who holds them")
    names.add_argument("--json", action="store_true", help="one JSON object")
    names.set_defaults(run=run_list)

    shot = actions.add_parser("snapshot", help="one picture, turned, masked and cropped as configured, into a file")
    shot.add_argument("camera", nargs="?", help="a camera of the configuration; can be left out if it has one")
    source = shot.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, metavar="FILE", help="the configuration that CAMERA is in")
    source.add_argument("--device", metavar="DEVICE", help="a Video4Linux camera: 0 is /dev/video0, or a path")
    source.add_argument("--libcamera", metavar="CAMERA", help="a camera at the CSI connector: its index or id")
    source.add_argument("--source", type=Path, metavar="FILE", help="a picture, a video, or a directory of pictures")
    shot.add_argument("-o", "--output", type=Path, metavar="FILE", help="a .jpg or .png (default: the camera's name, .jpg)")
    shot.add_argument("--whole", action="store_true", help="leave out the crop, to measure it and the masks in the whole picture")
    shot.add_argument("--timeout", type=_seconds, default=TIMEOUT_S, metavar="S", help=f"seconds to wait (default: {TIMEOUT_S:g})")
    shot.set_defaults(run=run_snapshot)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to 3600")
    return seconds


def run_list(arguments: argparse.Namespace) -> int:
    """Print the cameras."""
    from edged.sources.devices import list_cameras
    from edged.sources.libcamera import list_libcamera
    from edged.tooling.cameras import survey

    found = survey(list_cameras, list_libcamera)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(found)))
    else:
        _print(found)
    return 0


def run_snapshot(arguments: argparse.Namespace) -> int:
    """Take it, write it, say what it is."""
    from rich.markup import escape

    from edged.sources.open import open_source
    from edged.tooling.snapshot import require_encoding, take, write

    name, settings = _chosen(arguments)
    if arguments.whole and settings.picture is not None:
        settings = dataclasses.replace(settings, picture=dataclasses.replace(settings.picture, crop=None))
    path = arguments.output or Path(f"{name}.jpg")
    require_encoding(path)
    if settings.file is not None:
        _require_another(path, settings.file.path)
    with err.status(f"looking through {escape(name)}"):
        snapshot = take(open_source, name, settings, timeout_s=arguments.timeout)
    size_bytes = write(path, snapshot.frame)
    frame = snapshot.frame
    age = f", {snapshot.age_s * 1e3:.0f} ms old when it came" if snapshot.info.live else ""
    out.print(f"{escape(str(path))}: {frame.width}x{frame.height}, {size_bytes:,} bytes{age}")
    out.print(f"[dim]{escape(snapshot.info.description)}[/]")
    for warning in snapshot.warnings():
        err.print(f"[yellow]warning:[/] {escape(warning)}")
    return 0


def _require_another(path: Path, source: Path) -> None:
    """Raises OutputUnwritable if ``path`` is the recording ``source``, or a picture of it, by whatever name."""
    if path.exists() and any(place.exists() and path.samefile(place) for place in (source, source / path.name)):
        raise OutputUnwritable(f"{path} is the source itself", hint="name another file with -o")


def _chosen(arguments: argparse.Namespace) -> tuple[str, SourceSettings]:
    """The name and the settings of what is to be looked at; raises ConfigInvalid."""
    from edged.sources.settings import FileSettings, LibcameraSettings, SourceSettings, V4l2Settings

    if arguments.config is not None:
        return _configured(arguments.config, arguments.camera)
    if arguments.source is not None:
        file = FileSettings(path=arguments.source, pace="fast")
        return arguments.camera or arguments.source.stem, SourceSettings(file=file)
    if arguments.device is not None:
        device = _number(arguments.device)
        default = f"video{device}" if isinstance(device, int) else Path(device).name
        return arguments.camera or default, SourceSettings(v4l2=V4l2Settings(device=device))
    camera = _number(arguments.libcamera)
    return arguments.camera or "libcamera", SourceSettings(libcamera=LibcameraSettings(camera=camera))


def _configured(config: Path, camera: str | None) -> tuple[str, SourceSettings]:
    from edged.config.load import load
    from edged.config.problems import did_you_mean

    cameras = load(config).cameras
    names = ", ".join(sorted(cameras))
    if camera is None and len(cameras) != 1:
        raise ConfigInvalid(f"{config} has {len(cameras)} cameras", (), hint=f"name one of {names}")
    name = camera or next(iter(cameras))
    if name not in cameras:
        raise ConfigInvalid(f"{config} has no camera {name!r}{did_you_mean(name, cameras)}", (), hint=f"it has {names}")
    return name, cameras[name]


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _print(found: Survey) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("camera", "place", "in [cameras.NAME]", "now", box=None, pad_edge=False, header_style="bold")
    for camera in found.cameras:
        table.add_row(escape(camera.name), escape(camera.place), escape(camera.setting) or "[dim]-[/]", _state(camera))
    if found.cameras:
        out.print(table)
    else:
        out.print("no camera; `dmesg` tells whether the kernel saw one")
    if found.libcamera_problem:
        err.print(f"[dim]{escape(found.libcamera_problem)}[/]")


def _state(camera: Camera) -> str:
    from rich.markup import escape

    if not camera.accessible:
        return "[red]no permission to open it: add yourself to the group video[/]"
    if camera.held_by:
        return f"[yellow]held by {escape(', '.join(camera.held_by))}[/]"
    if camera.kind == "receiver":
        return "[dim]raw sensor data; libcamera reads it[/]"
    return "" if camera.kind == "libcamera" else "[green]free[/]"
