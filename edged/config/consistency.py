"""What no single record can know: whether the parts of a configuration fit each other and the file system."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from edged.config.lines import KeyPath
from edged.config.problems import Problem, did_you_mean
from edged.config.schema import Settings
from edged.core.followed import FOLLOWED
from edged.infer.settings import ModelSettings, model_problems
from edged.mcu.settings import mcu_problems
from edged.mqtt.settings import mqtt_problems
from edged.ota.settings import ota_problems
from edged.sources.settings import V4l2Settings, source_problems
from edged.vision.settings import CameraSettings
from edged.web.settings import parse_listen

VIDEO_SUFFIXES = (".mp4", ".avi")


def inconsistencies(settings: Settings, models: Collection[str]) -> Iterator[Problem]:
    """What is wrong with ``settings``; ``models`` are the names that the file states, those of broken models too."""
    for name, camera in settings.cameras.items():
        yield from _of_camera(("cameras", name), camera, models)
    for name, model in settings.models.items():
        yield from _of_model(("models", name), model)
    for name, mcu in settings.mcus.items():
        yield from (Problem(("mcus", name, *key), text) for key, text in mcu_problems(mcu))
        if mcu.commands and settings.mqtt is None:
            yield Problem(("mcus", name, "commands"), "commands come over the broker, expected a table [mqtt]")
    yield from _shared(settings)
    if settings.mqtt is not None:
        yield from (Problem(("mqtt",), text) for text in mqtt_problems(settings.mqtt))
    yield from _of_updates(settings)
    if settings.metrics.listen is not None:
        try:
            parse_listen(settings.metrics.listen)
        except ValueError as error:
            yield Problem(("metrics", "listen"), str(error))
    if settings.sinks.jsonl is not None:
        yield from _of_output(("sinks", "jsonl"), settings.sinks.jsonl)


def _of_model(at: KeyPath, model: ModelSettings) -> Iterator[Problem]:
    yield from (Problem((*at, *key), text) for key, text in model_problems(model))


def _of_updates(settings: Settings) -> Iterator[Problem]:
    if settings.ota is not None:
        found = ota_problems(settings.ota, broker=settings.mqtt is not None)
        yield from (Problem(("ota", *key), text) for key, text in found)
        return
    for name, model in settings.models.items():
        if model.follow is not None and FOLLOWED.fullmatch(model.follow):
            yield Problem(("models", name, "follow"), "updates are not set up, expected a table [ota]")
    for name, mcu in settings.mcus.items():
        for key in ("follow_firmware", "follow_model"):
            if getattr(mcu, key) is not None:
                yield Problem(("mcus", name, key), "updates are not set up, expected a table [ota]")


def _of_camera(at: KeyPath, camera: CameraSettings, models: Collection[str]) -> Iterator[Problem]:
    if camera.model not in models:
        expected = f"one of {', '.join(sorted(models))}" if models else "a table [models.NAME] for it"
        yield Problem(
            (*at, "model"), f'there is no model "{camera.model}", expected {expected}{did_you_mean(camera.model, models)}'
        )
    yield from (Problem(at, text) for text in source_problems(camera))
    if camera.v4l2 is not None:
        yield from _of_device((*at, "v4l2", "device"), camera.v4l2)
    if camera.annotated is not None:
        if camera.annotated.suffix.lower() not in VIDEO_SUFFIXES:
            yield Problem(
                (*at, "annotated"), f"{camera.annotated} is no video, expected a name ending in {' or '.join(VIDEO_SUFFIXES)}"
            )
        yield from _of_output((*at, "annotated"), camera.annotated)


def _of_device(at: KeyPath, v4l2: V4l2Settings) -> Iterator[Problem]:
    if isinstance(v4l2.device, str) and not Path(v4l2.device).is_absolute():
        yield Problem(at, f'got "{v4l2.device}", expected a number without quotes or a path that begins with /dev/')


def _of_output(at: KeyPath, path: Path) -> Iterator[Problem]:
    if not path.parent.is_dir():
        yield Problem(at, f"there is no directory {path.parent}, expected one that exists")
    elif path.is_dir():
        yield Problem(at, f"{path} is a directory, expected the name of a file")


def _shared(settings: Settings) -> Iterator[Problem]:
    """Cameras, ports and files that are used twice."""
    owners: dict[str, KeyPath] = {}
    uses: list[tuple[KeyPath, str]] = []
    for name, camera in settings.cameras.items():
        if camera.v4l2 is not None:
            device = camera.v4l2.device
            uses.append((("cameras", name, "v4l2", "device"), f"/dev/video{device}" if isinstance(device, int) else device))
        if camera.libcamera is not None:
            uses.append((("cameras", name, "libcamera", "camera"), f"libcamera camera {camera.libcamera.camera}"))
        if camera.annotated is not None:
            uses.append((("cameras", name, "annotated"), str(camera.annotated)))
    uses += [(("mcus", name, "port"), mcu.port) for name, mcu in settings.mcus.items()]
    for at, used in uses:
        thing = os.path.realpath(used) if used.startswith("/") else used  # by-id and by-path name what has a plain name too
        if thing in owners:
            yield Problem(at, f"{used} is already used by {'.'.join(owners[thing])}, expected another")
        owners.setdefault(thing, at)
