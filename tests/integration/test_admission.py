"""Which models get past the main process: each is tried once, as long as nothing of it changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.config.schema import DeviceSettings, Settings
from edged.core.errors import DelegateFailed, ModelRejected
from edged.daemon.admission import FILE_NAME, Admission
from edged.daemon.bench import DeviceBench
from edged.infer.bundle import identify
from edged.infer.settings import ModelSettings
from edged.ota.settings import OtaSettings, ShadowSettings
from edged.ota.target import Chunks, SignedTarget, Target
from edged.sources.settings import SyntheticSettings
from edged.testing import hostile
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings

MANIFEST = 'name = "blaze"\nversion = "1"\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "blazeface"\n'


def settings(*models: ModelSettings) -> VisionSettings:
    named = {f"model{number}": model for number, model in enumerate(models)}
    cameras = {name: CameraSettings(model=name, synthetic=SyntheticSettings()) for name in named}
    return VisionSettings(cameras=cameras, models=named, tracking=TrackerSettings(), identities={}, run="")


@pytest.fixture
def bundle(tmp_path: Path, test_data: Path) -> Path:
    directory = tmp_path / "blaze"
    directory.mkdir()
    (directory / "m.tflite").write_bytes((test_data / "models/blazeface_128x128_quant.tflite").read_bytes())
    (directory / "model.toml").write_text(MANIFEST)
    return directory


@pytest.fixture
def tried(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """How many models were tried so far, as the log tells."""
    caplog.set_level(logging.INFO, "edged.daemon.admission")
    return lambda: sum("passed its probe" in line for line in caplog.messages)


async def test_what_passed_is_not_tried_again_until_something_changes(
    bundle: Path, tmp_path: Path, tried: Callable[[], int]
) -> None:
    model = ModelSettings(bundle=str(bundle), threads=1)
    state = tmp_path / "state"
    state.mkdir()
    admitted = await Admission(state).admit(settings(model))
    assert admitted.identities == {"model0": identify(bundle)}
    assert 1 << 20 < admitted.memory_bytes["model0"] < 1 << 28
    assert tried() == 1
    assert await Admission(state).admit(settings(model)) == admitted
    moved = bundle.rename(tmp_path / "elsewhere")
    await Admission(state).admit(settings(ModelSettings(bundle=str(moved), threads=1, score_threshold=0.9)))
    assert tried() == 1
    (moved / "model.toml").write_text(MANIFEST.replace('"1"', '"2"'))
    changed = await Admission(state).admit(settings(ModelSettings(bundle=str(moved), threads=1)))
    assert changed.identities != admitted.identities
    assert tried() == 2
    await Admission(state).admit(settings(ModelSettings(bundle=str(moved), threads=1, delegate="none")))
    assert tried() == 3


async def test_a_model_that_is_refused_stays_refused_and_others_are_not_admitted_with_it(bundle: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "m.tflite").write_bytes(hostile.crashing())
    (bad / "model.toml").write_text(MANIFEST)
    both = settings(ModelSettings(bundle=str(bundle), threads=1), ModelSettings(bundle=str(bad), threads=1))
    for _ in range(2):
        with pytest.raises(ModelRejected, match="SIGSEGV") as caught:
            await Admission(tmp_path).admit(both)
        assert caught.value.fault == "crashing"
    assert not (tmp_path / FILE_NAME).exists()


async def test_thresholds_for_more_labels_than_a_message_holds_do_not_hinder_a_probe(bundle: Path, tmp_path: Path) -> None:
    thresholds = {f"{'class':-<250}{number}": 0.5 for number in range(1001)}
    model = ModelSettings(bundle=str(bundle), threads=1, label_thresholds=thresholds)
    assert (await Admission(tmp_path).admit(settings(model))).identities == {"model0": identify(bundle)}


async def test_settings_that_a_probe_cannot_be_told_are_refused_as_such(bundle: Path, tmp_path: Path) -> None:
    model = ModelSettings(bundle=str(bundle), threads=1, custom_ops=tuple(f"/lib/{'x' * 1000}{n}.so:Op" for n in range(200)))
    with pytest.raises(ModelRejected, match=r"blaze: its settings take 20\d,\d+ bytes, a probe can be told 131,072"):
        await Admission(tmp_path).admit(settings(model))


async def test_a_model_is_refused_for_want_of_memory_only_where_all_of_it_did_not_do(bundle: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.mkdir()
    (large / "m.tflite").write_bytes(hostile.eating(5000))
    (large / "model.toml").write_text(MANIFEST)
    both = settings(ModelSettings(bundle=str(bundle), threads=1), ModelSettings(bundle=str(large), threads=1))
    with pytest.raises(ModelRejected, match=r"286\.1 to 572\.2 MB for its tensors.* 400\.0 MB are there") as caught:
        await Admission(tmp_path, lambda: 400 << 20).admit(both)
    assert caught.value.fault == "does not fit memory"


async def test_a_delegate_that_takes_nothing_is_its_own_fault(bundle: Path, tmp_path: Path) -> None:
    (bundle / "m.tflite").write_bytes(hostile.hanging())
    with pytest.raises(DelegateFailed, match="XNNPACK took none"):
        await Admission(tmp_path).admit(settings(ModelSettings(bundle=str(bundle), threads=1, delegate="xnnpack")))


async def test_a_list_of_passes_that_cannot_be_read_costs_a_probe_and_no_more(
    bundle: Path, tmp_path: Path, tried: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xc1 damaged")
    await Admission(tmp_path).admit(settings(ModelSettings(bundle=str(bundle), threads=1)))
    assert "cannot be read" in caplog.text
    await Admission(tmp_path).admit(settings(ModelSettings(bundle=str(bundle), threads=1)))
    assert tried() == 1


async def test_a_model_that_no_camera_uses_is_not_tried(tmp_path: Path, tried: Callable[[], int]) -> None:
    unused = settings(ModelSettings(bundle="/nowhere/m.tflite"))
    empty = VisionSettings(cameras={}, models=unused.models, tracking=unused.tracking, identities={}, run="")
    assert (await Admission(tmp_path).admit(empty)).identities == {}
    assert tried() == 0


class Exchange:
    """Keeps the order for a shadow."""

    def __init__(self) -> None:
        self.order: ipc.Shadow | None = None

    async def exchange(self) -> None: ...

    async def exchange_surely(self) -> None: ...

    async def shadow(self, order: ipc.Shadow) -> ipc.Agreement:
        self.order = order
        return ipc.no_agreement(order, "done", "")


async def test_the_shadow_of_a_candidate_is_ordered_with_what_its_probe_saw_it_take(bundle: Path, tmp_path: Path) -> None:
    serves = ModelSettings(bundle="as configured", threads=1, score_threshold=0.9, follow="faces")
    camera = CameraSettings(model="m", synthetic=SyntheticSettings())
    ota = OtaSettings(allow_unsigned=True, shadow=ShadowSettings())
    device = DeviceSettings(name="pi", state_directory=tmp_path)
    settings = Settings(device=device, models={"m": serves}, cameras={"door": camera}, ota=ota)
    target = Target(kind="model", id="faces", sequence=1, version="1", chunks=Chunks(count=1, index_sha256=""))
    signed = SignedTarget(target=target, length=1, sha256="")
    exchange = Exchange()
    bench = DeviceBench(Admission(tmp_path), exchange, lambda: settings, lambda _: "xnnpack", 5)
    await bench.probe(signed, bundle)
    await bench.shadow(signed, bundle, lambda _: None)
    assert exchange.order
    assert 1 << 20 < exchange.order.memory_bytes < 1 << 28
    (bundle / "model.toml").write_text(MANIFEST.replace('"1"', '"2"'))
    await bench.shadow(signed, bundle, lambda _: None)
    assert exchange.order.memory_bytes == 0, "another bundle was never probed"
