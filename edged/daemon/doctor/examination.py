"""All checks, in the order in which a person would mend what they find."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from edged.config.load import load
from edged.config.schema import Settings, default_state_directory
from edged.core.errors import ConfigInvalid
from edged.daemon.doctor.accelerator import check_accelerator, check_edgetpus
from edged.daemon.doctor.broker import check_broker
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.machine import check_clock, check_power, check_python, check_runtime
from edged.daemon.doctor.parts import check_camera, check_devices, check_models
from edged.daemon.doctor.storage import check_disk, check_state_directory
from edged.infer.runtime import installed
from edged.sources.devices import list_cameras
from edged.store.settings import StoreSettings


def examine(config: Path | None) -> Iterator[Finding]:
    """Look at this machine, and at all that the configuration file names, if one is given; findings come as they are made."""
    yield check_python()
    yield check_runtime()
    if "tflite-runtime" in installed():
        yield check_runtime("tflite-runtime")
    yield check_clock()
    yield check_power()
    if config is None:
        directory = default_state_directory()
        yield check_state_directory(directory)
        yield check_disk(directory, StoreSettings().max_mb)
        yield check_devices(list_cameras())
        yield check_edgetpus()
        return
    try:
        settings = load(config)
    except ConfigInvalid as error:
        yield Finding("config", "fail", "\n".join((error.message, *error.problems)), error.hint)
        return
    yield Finding("config", "ok", str(config))
    yield from _configured(settings)


def _configured(settings: Settings) -> Iterator[Finding]:
    yield check_state_directory(settings.device.state_directory)
    yield check_disk(settings.device.state_directory, settings.store.max_mb)
    cameras = list_cameras()
    for name, camera in settings.cameras.items():
        yield check_camera(name, camera, cameras)
    yield from check_models(settings.models)
    for name, model in settings.models.items():
        yield from check_accelerator(name, model)
    if settings.mqtt is None:
        yield Finding("broker", "skip", "the configuration names none")
    else:
        yield asyncio.run(check_broker(settings.mqtt, settings.device.fleet, settings.device.name))
