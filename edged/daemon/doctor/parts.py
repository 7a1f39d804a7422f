"""What the configuration names: cameras and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from edged.core.errors import EdgedError
from edged.core.model import ModelManifest
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.stream import check_stream
from edged.infer.bundle import load_bundle, resolve
from edged.infer.runtime import PACKAGES, TFLITE_FIX, installed
from edged.infer.settings import ModelSettings
from edged.sources.devices import V4l2Camera
from edged.sources.settings import LibcameraSettings
from edged.vision.settings import CameraSettings

VIDEO_FIX = (
    "Add the user to the group video (`sudo usermod -aG video USER`) and log in again; a unit needs SupplementaryGroups=video."
)


def check_devices(found: Sequence[V4l2Camera]) -> Finding:
    """Which cameras the machine has, without a configuration that names any."""
    if not found:
        return Finding(
            "cameras", "warn", "no Video4Linux camera is connected", "Plug one in; `dmesg` tells whether the kernel saw it."
        )
    locked = [camera for camera in found if not camera.accessible]
    if locked:
        return Finding("cameras", "fail", f"{', '.join(map(_named, locked))}: no permission to open", VIDEO_FIX)
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
        return Finding(
            check, "fail", f"{wanted} is no camera of this machine", f"Plug it in, or name one that is there: {present}."
        )
    if not match.accessible:
        return Finding(check, "fail", f"{_named(match)}: no permission to open it", VIDEO_FIX)
    return Finding(check, "ok", _named(match))


def _check_libcamera(check: str, settings: LibcameraSettings) -> Finding:
    """Only whether picamera2 is there: looking for the camera itself would load it, and with it numpy, here."""
    if find_spec("picamera2") is None:
        return Finding(
            check,
            "fail",
            "picamera2 is not installed, or not seen from this environment",
            "`sudo apt install python3-picamera2`, and make the venv with --system-site-packages.",
        )
    return Finding(check, "ok", f"libcamera {settings.camera}; `edged camera list` looks for it")


def check_models(models: Mapping[str, ModelSettings]) -> list[Finding]:
    """Whether every configured bundle is there, whole and says how it reads."""
    return [_check_model(name, settings) for name, settings in models.items()]


def _check_model(name: str, settings: ModelSettings) -> Finding:
    try:
        bundle = load_bundle(resolve(settings.bundle))
    except EdgedError as error:
        return Finding(f"model {name}", "fail", error.message, error.hint)
    if settings.runtime not in installed():
        return Finding(f"model {name}", "fail", f"{PACKAGES[settings.runtime]} is not installed", TFLITE_FIX)
    manifest = bundle.manifest
    what = f"{manifest.name} {manifest.version}, decoder {manifest.decoder.name}, {_labels(manifest)}, {bundle.digest[:12]}"
    if not manifest.labels:
        return Finding(
            f"model {name}", "warn", what, "Without labels, classes show as numbers: give the bundle a model.toml with labels."
        )
    return Finding(f"model {name}", "ok", what)


def _labels(manifest: ModelManifest) -> str:
    return "1 label" if len(manifest.labels) == 1 else f"{len(manifest.labels)} labels"


def _check_path(check: str, path: Path) -> Finding:
    try:
        if path.is_dir():
            next(iter(path.iterdir()), None)
        else:
            path.open("rb").close()
    except OSError as error:
        return Finding(check, "fail", f"{path}: {error.strerror}", "Correct the path, or the permissions of the file.")
    return Finding(check, "ok", str(path))


def _named(camera: V4l2Camera) -> str:
    return f"{camera.device} ({camera.name})"
