"""What a daemon serves by its slots: at the start, and when the vision process ends for good."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from edged.config.schema import DeviceSettings, Settings
from edged.core.errors import EdgedError, ModelRejected, VisionFailed
from edged.daemon.publishing import Publishing
from edged.daemon.updates import Parts, Updates
from edged.infer.bundle import identify
from edged.infer.probe.records import Stated
from edged.infer.settings import ModelSettings
from edged.ota.inventory import Inventory
from edged.ota.package import pack
from edged.ota.settings import OtaSettings
from edged.ota.slots import Confirm, Install, Installed
from edged.sources.settings import SyntheticSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings

PATH = "model/ssd"
WEIGHTS = b"\x1c\0\0\0TFL3 and so on"
MANIFEST = b'name = "m"\nversion = "%d"\nlabels = ["a"]\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "classification"\n'


class Recorder:
    async def put(self, occurrence: object) -> None: ...


class Admission:
    """Refuses the bundles whose path is named."""

    def __init__(self) -> None:
        self.refused: set[str] = set()

    async def try_out(self, name: str, model: ModelSettings, stated: Stated) -> str:
        if model.bundle in self.refused:
            raise ModelRejected("it does not run any more")
        return ""


class Exchange:
    def __init__(self) -> None:
        self.surely = 0

    async def exchange(self) -> None: ...

    async def exchange_surely(self) -> None:
        self.surely += 1

    def delivering(self) -> frozenset[str]:
        return frozenset()

    async def shadow(self, order: ipc.Shadow) -> ipc.Agreement:
        raise NotImplementedError


class Device:
    """A state directory, and the daemon's updates on it."""

    def __init__(self, directory: Path) -> None:
        self.settings = Settings(
            device=DeviceSettings(state_directory=directory),
            models={"m": ModelSettings(bundle="factory", follow="ssd")},
            cameras={"door": CameraSettings(model="m", synthetic=SyntheticSettings())},
            ota=OtaSettings(allow_unsigned=True),
        )
        self.admission, self.exchange = Admission(), Exchange()
        self.inventory = Inventory(directory / "ota")

    def install(self, number: int, *, confirm: bool = True) -> Path:
        sha256 = str(number) * 64
        part = self.inventory.parts / f"{sha256}.part"
        part.write_bytes(pack({"model.toml": MANIFEST % number, "m.tflite": WEIGHTS}))
        bundle = self.inventory.add(sha256, part)
        self.inventory.note(PATH, Install(Installed(sha256, number, str(number), identify(bundle))))
        if confirm:
            self.inventory.note(PATH, Confirm())
        return bundle

    def start(self) -> Updates:
        parts = Parts(self.admission, self.exchange, frozenset, Publishing(None), Recorder())
        return Updates(self.settings, parts)

    def serves(self, updates: Updates) -> str:
        return updates.bench.applied(self.settings.models)["m"].bundle


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


async def test_a_slot_replaces_the_bundle(device: Device) -> None:
    assert device.serves(device.start()) == "factory"
    bundle = device.install(1)
    assert device.serves(device.start()) == str(bundle)
    without = dataclasses.replace(device.settings, ota=None)
    assert (
        device.serves(Updates(without, Parts(device.admission, device.exchange, frozenset, Publishing(None), Recorder())))
        == "factory"
    )


async def test_a_trial_is_over_before_the_first_vision_process(device: Device) -> None:
    bundle = device.install(1)
    device.install(2, confirm=False)
    assert device.serves(device.start()) == str(bundle)


async def test_what_a_card_has_damaged_is_given_up_for_the_one_before(device: Device) -> None:
    first, second = device.install(1), device.install(2)
    (second / "m.tflite").write_bytes(WEIGHTS[:-1] + b"\0")
    assert device.serves(device.start()) == str(first)
    assert not second.exists(), "it is to be fetched again"
    (first / "model.toml").unlink()
    assert device.serves(device.start()) == "factory"


async def test_slots_that_cannot_be_read_leave_the_factory_and_the_bundles(device: Device, tmp_path: Path) -> None:
    bundle = device.install(1)
    (tmp_path / "ota/slots").write_bytes(b"garbled")
    assert device.serves(device.start()) == "factory"
    assert bundle.is_dir()


async def test_a_bundle_that_is_refused_now_does_not_end_the_daemon(device: Device) -> None:
    first, second = device.install(1), device.install(2)
    updates = device.start()
    device.admission.refused = {str(second)}
    assert await updates.fall_back(ModelRejected("no"))
    assert (device.serves(updates), device.exchange.surely) == (str(first), 1)
    device.admission.refused = {str(first)}
    assert await updates.fall_back(ModelRejected("no"))
    assert device.serves(updates) == "factory"
    assert not await updates.fall_back(ModelRejected("no")), "the factory's own bundle is what is wrong"


async def test_other_ends_are_nobody_s_update(device: Device) -> None:
    device.install(1)
    updates = device.start()
    assert not await updates.fall_back(VisionFailed("no camera is left"))
    assert device.exchange.surely == 0


async def test_an_end_during_a_trial_waits_for_going_back(device: Device) -> None:
    first = device.install(1)
    updates = device.start()
    assert updates.inventory
    bundle = Inventory(device.settings.device.state_directory / "ota").add("1" * 64, first)
    updates.inventory.note(PATH, Install(Installed("2" * 64, 2, "2")))
    await updates.bench.swap(PATH, bundle)
    error: EdgedError = VisionFailed("a picture that it cannot take")
    falling = asyncio.create_task(updates.fall_back(error))
    await asyncio.sleep(0)
    assert not falling.done()
    assert updates.bench.trial(PATH).crashes == 1
    await updates.bench.go_back(PATH, first)
    assert await falling
