"""All checks, in the order in which a person would mend what they find."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from os.path import lexists
from pathlib import Path

from edged.config.load import load
from edged.config.schema import SERVICE_STATE, Settings, default_state_directory
from edged.core.errors import ConfigInvalid
from edged.daemon.doctor import broker, mcu, model, stream
from edged.daemon.doctor.accelerator import LOAD_S, check_accelerator, check_edgetpus
from edged.daemon.doctor.camera import check_camera, check_devices
from edged.daemon.doctor.daemon import check_daemon
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.machine import RUNTIME_S, check_clock, check_power, check_python, check_runtime
from edged.daemon.doctor.service import check_service
from edged.daemon.doctor.storage import check_disk, check_state_directory, check_store
from edged.daemon.doctor.table import trouble
from edged.daemon.doctor.together import LIGHT_S, Check, run_together
from edged.infer.runtime import installed
from edged.sources.devices import list_cameras
from edged.store.settings import StoreSettings
from edged.vision.settings import CameraSettings


def examine(config: Path | None) -> Iterator[Finding]:
    """Look at this machine, and at all that the configuration file names, if one is given; findings come as they are made."""
    checks = [*_machine()]
    if config is None:
        checks += _state(default_state_directory(), StoreSettings().max_mb)
        checks.append(Check("cameras", lambda: check_devices(list_cameras())))
        checks.append(Check("edgetpu", check_edgetpus, LOAD_S + LIGHT_S))
        yield from run_together(checks)
        return
    try:
        settings = load(config)
    except ConfigInvalid as error:
        what = "\n".join((error.message, *error.problems))
        yield from run_together(checks)
        yield trouble("config", "config-invalid", what, error.hint)
        return
    checks.append(Check("config", lambda: Finding("config", "ok", str(config))))
    yield from run_together([*checks, *_configured(settings)])


def _machine() -> Iterator[Check]:
    yield Check("python", check_python)
    yield Check("runtime", check_runtime, RUNTIME_S, heavy=True)
    if "tflite-runtime" in installed():
        yield Check("runtime tflite-runtime", partial(check_runtime, "tflite-runtime"), RUNTIME_S, heavy=True)
    yield Check("clock", check_clock)
    yield Check("power", check_power)
    yield Check("service", check_service)


def _state(asked: Path, store_mib: int) -> Iterator[Check]:
    # A person who asks about the service has not its environment, which tells where its state is.
    directory = SERVICE_STATE if asked == default_state_directory() and not lexists(asked) and lexists(SERVICE_STATE) else asked
    yield Check("state", partial(check_state_directory, directory))
    yield Check("disk", partial(check_disk, directory, store_mib))
    yield Check("store", partial(check_store, directory))
    yield Check("daemon", partial(check_daemon, directory))


def _configured(settings: Settings) -> Iterator[Check]:
    yield from _state(settings.device.state_directory, settings.store.max_mb)
    for name, camera in settings.cameras.items():
        streams = camera.stream is not None
        within_s = stream.within_s(camera) if streams else LIGHT_S
        yield Check(f"camera {name}", partial(_look_at_camera, name, camera), within_s, heavy=streams)
    for name, settings_of_model in settings.models.items():
        yield Check(f"model {name}", partial(model.check_model, name, settings_of_model), model.WITHIN_S, heavy=True)
        yield Check(f"accelerator {name}", partial(check_accelerator, name, settings_of_model), LOAD_S + LIGHT_S)
    for name, board in settings.mcus.items():
        yield Check(f"mcu {name}", partial(mcu.check_mcu, name, board), mcu.WITHIN_S)
    yield Check("broker", partial(_look_at_broker, settings), broker.WITHIN_S + LIGHT_S)


def _look_at_camera(name: str, camera: CameraSettings) -> Finding:
    return check_camera(name, camera, list_cameras())


def _look_at_broker(settings: Settings) -> Finding:
    if settings.mqtt is None:
        return Finding("broker", "skip", "the configuration names none")
    return asyncio.run(broker.check_broker(settings.mqtt, settings.device.fleet, settings.device.name))
