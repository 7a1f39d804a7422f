"""What a publisher may push of a configuration, and how it is laid over the file of a device.

Pure. Rules: who may push decides what is looked at and how sure a model has to be, and nothing else: no path, no library, no
secret and nobody to trust is ever taken from a pushed document; a login of the device's own file is never joined with an address
that was pushed. What is laid over adds and changes, and takes nothing away. Neither the file nor a document before it is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edged.config.lines import KeyPath
from edged.config.problems import Problem, did_you_mean
from edged.sources.settings import KINDS

DOCUMENT = "config.toml"
"""The one file of a package."""

SECTIONS = {"cameras": 3, "models": 2, "tracking": 1}
"""What may be pushed, and how many levels are joined: keys of a model and of tracking are replaced, each as a whole, and keys of a
camera, but for its ``picture``: who pushes a crop does not take away masks by the way."""

MODEL_KEYS = ("threads", "score_threshold", "label_thresholds")
"""The others say which files are read and which native code runs."""

DEVICE_KEYS: tuple[KeyPath, ...] = (
    ("file",),
    ("annotated",),
    ("stream", "password_file"),
    ("stream", "password_credential"),
    ("stream", "ca_file"),
    ("synthetic", "frames"),
)
"""Below a camera: files that are read and written, secrets, and what ends, as the daemon does with its last recording."""

DEVICES = ("/dev/video", "/dev/v4l/")
"""How the path of a pushed Video4Linux camera begins: opening any device does something."""

KEPT = "is the device's own and cannot be pushed"

STAND_IN_MODEL = {"bundle": "stand-in"}
STAND_IN_CAMERA = {"model": "stand-in", "synthetic": {}}
"""What the file of a device says besides, when a document is checked without one."""

Data = Mapping[str, Any]


def not_to_be_pushed(pushed: Data) -> Iterator[Problem]:
    """Every key of a document that is not for a publisher to say."""
    for section, content in pushed.items():
        if section not in SECTIONS:
            yield Problem((section,), f"{KEPT}, expected {', '.join(SECTIONS)}{did_you_mean(section, SECTIONS)}")
        for name, entry in _tables(content if section in {"cameras", "models"} else None):
            yield from _of_model(name, entry) if section == "models" else _of_camera(name, entry)


def _of_model(name: str, model: Data) -> Iterator[Problem]:
    for key in model:
        if key not in MODEL_KEYS:
            yield Problem(("models", name, key), f"{KEPT}, expected {', '.join(MODEL_KEYS)}{did_you_mean(key, MODEL_KEYS)}")


def _of_camera(name: str, camera: Data) -> Iterator[Problem]:
    for key in DEVICE_KEYS:
        if _has(camera, key):
            yield Problem(("cameras", name, *key), KEPT)
    v4l2 = camera.get("v4l2")
    device = v4l2.get("device") if isinstance(v4l2, dict) else None
    if isinstance(device, str) and (not device.startswith(DEVICES) or ".." in device):
        yield Problem(("cameras", name, "v4l2", "device"), f"expected a number, or a path that begins with {' or '.join(DEVICES)}")


def not_there(local: Data, pushed: Data) -> Iterator[Problem]:
    """Models of a document that a device's file has not: which there are is the device's own."""
    models = _table(local, "models")
    for name in _table(pushed, "models"):
        if name not in models:
            expected = f"one of {', '.join(sorted(models)) or 'none'}{did_you_mean(name, models)}"
            yield Problem(("models", name), f"there is no such model on this device, expected {expected}")


def laid_over(local: Data, pushed: Data) -> dict[str, Any]:
    """``local`` with what ``pushed`` says besides and instead."""
    below = dict(local)
    cameras = _table(local, "cameras")
    for name, camera in _tables(pushed.get("cameras")):
        if isinstance(cameras.get(name), dict) and any(kind in camera for kind in KINDS):  # a camera has one source
            cameras = {**cameras, name: {key: value for key, value in cameras[name].items() if key not in KINDS}}
            below["cameras"] = cameras
    return {**below, **{section: _joined(below.get(section), pushed[section], SECTIONS[section]) for section in pushed}}


def stood_in(pushed: Data) -> dict[str, Any]:
    """A document as on a device that has all that it speaks of."""
    wanted = [model for _, camera in _tables(pushed.get("cameras")) if isinstance(model := camera.get("model"), str)]
    models = dict.fromkeys([*_table(pushed, "models"), *wanted, "stand-in"], STAND_IN_MODEL)
    cameras = dict.fromkeys(_table(pushed, "cameras") or ["stand-in"], STAND_IN_CAMERA)
    return laid_over({"models": models, "cameras": cameras}, pushed)


def _joined(local: Any, pushed: Any, levels: int) -> Any:
    if levels == 0 or not isinstance(local, dict) or not isinstance(pushed, dict):
        return pushed
    return {**local, **{key: _joined(local.get(key), value, levels - 1) for key, value in pushed.items()}}


def _table(data: Data, section: str) -> dict[str, Any]:
    value = data.get(section)
    return value if isinstance(value, dict) else {}


def _tables(section: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, entry in section.items() if isinstance(section, dict) else ():
        if isinstance(entry, dict):
            yield name, entry


def _has(table: Any, key: KeyPath) -> bool:
    for step in key:
        if not isinstance(table, dict) or step not in table:
            return False
        table = table[step]
    return True
