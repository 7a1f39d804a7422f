"""Cameras: whether what they read from is there, free, and may be read."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from edged.core.holders import DAEMON, holders
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.stream import check_stream
from edged.daemon.doctor.table import trouble
from edged.sources.devices import V4l2Camera
from edged.sources.settings import LibcameraSettings
from edged.vision.settings import CameraSettings


def check_devices(found: Sequence[V4l2Camera]) -> Finding:
    """Which cameras the machine has, without a configuration that names any."""
    if not found:
        return trouble("cameras", "cameras-none", "no Video4Linux camera is connected")
    locked = [camera for camera in found if not camera.accessible]
    if locked:
        return trouble("cameras", "camera-no-permission", f"{', '.join(map(_named, locked))}: no permission to open")
    return Finding("cameras", "ok", ", ".join(map(_named, found)))


def check_camera(name: str, settings: CameraSettings, found: Sequence[V4l2Camera]) -> Finding:
    """Whether what a configured camera reads from is there, and may be read."""
    check = f"camera {name}"
    if settings.file is not None:
        return _check_path(check, settings.file.path)
    if settings.libcamera is not None:
        return _check_libcamera(check, settings.libcamera)
    if settings.stream is not None:
        return check_stream(check, settings, settings.stream)
    if settings.v4l2 is not None:
        return _check_v4l2(check, settings.v4l2.device, found)
    return Finding(check, "ok", "synthetic")


def _check_v4l2(check: str, device: int | str, found: Sequence[V4l2Camera]) -> Finding:
    wanted = Path(f"/dev/video{device}") if isinstance(device, int) else Path(device)
    match = next((camera for camera in found if wanted in {camera.device, camera.by_id}), None)
    if match is None and wanted.exists():
        match = next((camera for camera in found if camera.device == wanted.resolve()), None)
    if match is None:
        present = ", ".join(map(_named, found)) or "none"
        fix = f"Plug it in, or name one that is there: {present}."
        return trouble(check, "camera-absent", f"{wanted} is no camera of this machine", fix)
    if not match.accessible:
        return trouble(check, "camera-no-permission", f"{_named(match)}: no permission to open it")
    held_by = holders(match.device)
    if others := [holder for holder in held_by if not holder.startswith(f"{DAEMON} ")]:
        return trouble(check, "camera-busy", f"{_named(match)} is held by {', '.join(others)}")
    return Finding(check, "ok", _named(match) + (", read by the daemon" if held_by else ""))


def _check_libcamera(check: str, settings: LibcameraSettings) -> Finding:
    """Only whether picamera2 is there: looking for the camera itself would load it, and with it numpy, here."""
    if find_spec("picamera2") is None:
        return trouble(check, "camera-picamera2-missing", "picamera2 is not installed, or not seen from this environment")
    return Finding(check, "ok", f"libcamera {settings.camera}; `edged camera list` looks for it")


def _check_path(check: str, path: Path) -> Finding:
    try:
        if path.is_dir():
            next(iter(path.iterdir()), None)
        else:
            path.open("rb").close()
    except OSError as error:
        return trouble(check, "camera-file-unreadable", f"{path}: {error.strerror}")
    return Finding(check, "ok", str(path))


def _named(camera: V4l2Camera) -> str:
    return f"{camera.device} ({camera.name})"
