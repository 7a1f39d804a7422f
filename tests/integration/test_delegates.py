"""The engine on delegate plug-ins and custom operators, compiled here, through the real interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import pytest

from edged.core.errors import CustomOpsUnusable, DelegateFailed, ModelRejected, RuntimeUnavailable
from edged.infer.bundle import Bundle, load_bundle
from edged.infer.engine import Engine
from edged.infer.open import open_engine
from edged.infer.probe.prober import Prober
from edged.infer.probe.records import Request
from edged.infer.runtime import installed
from edged.infer.settings import Delegate, EdgeTpuSettings, ExternalSettings, ModelSettings, RuntimeName
from edged.testing.sysfs import plug_in
from edged.testing.tflite import for_edgetpu, make_tflite
from edged.vision.note import Note

SSD = "models/ssd_mobilenet_v1_coco_quant.tflite"
MANIFEST = 'name = "m"\n[files]\ncpu = "m.tflite"\nedgetpu = "m_edgetpu.tflite"\n[decoder]\nname = "ssd_postprocess"\n'

BuildLibrary = Callable[[str, str], Path]


@pytest.fixture
def library(build_library: BuildLibrary) -> Path:
    return build_library("delegate.c", "libedgetpu.so.1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with an Edge TPU."""
    plug_in(tmp_path / "root", "1-1")
    return tmp_path / "root"


def control(library: Path, *lines: str) -> None:
    Path(f"{library}.control").write_text("\n".join(lines) + "\n")


def bundle_of(directory: Path, cpu: bytes, edgetpu: bytes) -> Bundle:
    directory.mkdir(exist_ok=True)
    (directory / "model.toml").write_text(MANIFEST)
    (directory / "m.tflite").write_bytes(cpu)
    (directory / "m_edgetpu.tflite").write_bytes(edgetpu)
    return load_bundle(directory)


@pytest.fixture
def toy(tmp_path: Path) -> Bundle:
    """Doubles eight numbers, on the CPU and on an Edge TPU."""
    return bundle_of(tmp_path / "toy", make_tflite(), make_tflite(custom_operator="edgetpu-custom-op"))


class Coral(Protocol):
    def __call__(self, library: Path | str, delegate: Delegate = "edgetpu", device: str = "") -> ModelSettings: ...


@pytest.fixture
def coral(runtime: RuntimeName) -> Coral:
    """The settings of a model on the Edge TPU by a library, for each runtime."""

    def settings(library: Path | str, delegate: Delegate = "edgetpu", device: str = "") -> ModelSettings:
        edgetpu = EdgeTpuSettings(library=str(library), device=device)
        return ModelSettings(bundle="./m", runtime=runtime, delegate=delegate, edgetpu=edgetpu)

    return settings


def doubled(engine: Engine) -> list[float]:
    (output,) = engine.infer(lambda tensor: np.copyto(tensor, np.arange(8, dtype=np.float32)[None]))
    return output.real()[0].tolist()  # type: ignore[no-any-return]


def failure(bundle: Bundle, settings: ModelSettings, root: Path) -> DelegateFailed:
    with pytest.raises(DelegateFailed) as caught:
        open_engine(bundle, settings, root=root)
    assert caught.value.hint
    return caught.value


def test_the_edge_tpu_variant_runs_on_the_plug_in_and_is_proven_by_its_nodes(
    coral: Coral, toy: Bundle, library: Path, root: Path
) -> None:
    control(library, "add 0.5")  # so that the results cannot be the CPU's
    delegates: tuple[Delegate, ...] = ("edgetpu", "auto")
    for delegate in delegates:
        engine = open_engine(toy, coral(library, delegate), root=root)
        assert (engine.info.delegate, engine.info.delegate_nodes, engine.info.fallback) == ("edgetpu", 1, "")
        assert doubled(engine) == [2 * n + 0.5 for n in range(8)]


def test_a_detector_sees_the_same_on_the_stand_in_as_on_the_cpu(
    coral: Coral, test_data: Path, tmp_path: Path, library: Path, root: Path
) -> None:
    data = (test_data / SSD).read_bytes()
    bundle = bundle_of(tmp_path / "ssd", data, for_edgetpu(data))
    on_cpu, on_tpu = (open_engine(bundle, coral(library), avoid=avoid, root=root) for avoid in ("not yet", ""))
    assert on_tpu.info.delegate == "edgetpu"
    for one, other in zip(on_cpu.infer(lambda t: t.fill(90)), on_tpu.infer(lambda t: t.fill(90)), strict=True):
        assert np.allclose(one.real(), other.real(), atol=0.05)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("create fail no luck\x1b[31m today", "no luck\ufffd[31m today"),
        ("create fail", "it does not say why"),
        ("create options", "device=usb;"),
        ("take none", "took none of the model's operators"),
        ("invoke error", "transfer on bulk endpoint 1 failed"),
    ],
)
def test_a_plug_in_that_fails_is_named_with_its_words_or_left_for_the_cpu(
    coral: Coral, toy: Bundle, library: Path, root: Path, fault: str, says: str
) -> None:
    control(library, fault)
    error = failure(toy, coral(library, device="usb"), root)
    assert str(library) in error.message
    assert says in error.message
    engine = open_engine(toy, coral(library, "auto", device="usb"), root=root)
    assert engine.info.delegate == "xnnpack"
    assert says in engine.info.fallback
    assert doubled(engine) == [2.0 * n for n in range(8)]


def test_a_library_that_is_none_is_told_from_one_that_is_absent_or_foreign(
    coral: Coral, toy: Bundle, root: Path, build_library: BuildLibrary
) -> None:
    assert "libedgetpu1-std" in failure(toy, coral("libedgetpu-none.so.1"), root).hint
    no_plugin = failure(toy, coral("libm.so.6"), root)
    assert "no delegate plug-in" in no_plugin.message
    foreign = build_library("foreign.c", "libedgetpu.so.1")
    error = failure(toy, coral(foreign), root)
    assert "undefined symbol: TfLiteOfAnotherTime" in error.message
    assert "another TensorFlow Lite" in error.hint


def test_without_a_device_nothing_is_loaded(coral: Coral, toy: Bundle, tmp_path: Path) -> None:
    assert failure(toy, coral("/no/such/library.so"), tmp_path).message == "no Edge TPU is connected"
    engine = open_engine(toy, coral("/no/such/library.so", "auto"), root=tmp_path)
    assert engine.info.fallback.startswith("no Edge TPU is connected (Plug one in")


def test_an_accelerator_to_be_avoided_is_not_touched(coral: Coral, toy: Bundle, library: Path, root: Path) -> None:
    control(library, "create abort")
    engine = open_engine(toy, coral(library), avoid="it crashed", root=root)
    assert (engine.info.delegate, engine.info.fallback) == ("xnnpack", "it crashed")


def test_an_external_plug_in_runs_the_cpu_variant_with_its_options(
    runtime: RuntimeName, test_data: Path, library: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(test_data / SSD)
    external = ExternalSettings(library=str(library), options={"cache": "on", "level": "2"})
    settings = ModelSettings(bundle="./m", runtime=runtime, delegate="external", external=external)
    engine = open_engine(bundle, settings, root=tmp_path)
    assert engine.info.delegate == "external"
    assert engine.info.delegate_nodes >= 1
    control(library, "create options")
    assert "cache=on;level=2;" in failure(bundle, settings, tmp_path).message


def test_an_error_in_use_is_the_accelerators_and_leaves_its_mark(coral: Coral, toy: Bundle, library: Path, root: Path) -> None:
    note = Note()
    engine = open_engine(toy, coral(library), guard=note.section("gate"), root=root)
    assert note.inside() == ()
    control(library, "invoke error")
    with pytest.raises(DelegateFailed, match="bulk endpoint"):
        doubled(engine)
    assert note.inside() == ("gate",)
    note = Note()
    open_engine(toy, coral(library, "auto"), guard=note.section("gate"), root=root)
    assert note.inside() == ()  # it fell back, and nobody is inside any more


def test_a_bundle_whose_cpu_variant_is_for_the_edge_tpu_says_so(tmp_path: Path) -> None:
    compiled = make_tflite(custom_operator="edgetpu-custom-op")
    bundle = bundle_of(tmp_path / "wrong", compiled, compiled)
    with pytest.raises(ModelRejected) as caught:
        open_engine(bundle, ModelSettings(bundle="./m"), root=tmp_path)
    assert "compiled for the Edge TPU" in caught.value.hint


def test_the_real_compiled_models_are_refused_with_the_remedy(test_data: Path) -> None:
    for name in ("mobilenet_v1_0.25_128_quant_edgetpu", "face-detector-quantized_edgetpu"):
        with pytest.raises(ModelRejected, match="compiled for the Edge TPU") as caught:
            load_bundle(test_data / f"models/{name}.tflite", decoder="blazeface")
        assert "model.toml" in caught.value.hint


# Trials


def test_a_trial_survives_what_kills_it(coral: Coral, toy: Bundle, library: Path, root: Path) -> None:
    settings = replace(coral(library, "auto"), bundle=str(toy.paths["cpu"].parent))

    def trial(identity: str = toy.identity) -> tuple[int, str]:
        command = [sys.executable, "-P", "-m", "edged.infer.trial", str(root)]
        order = msgspec.msgpack.encode((settings, identity))
        done = subprocess.run(command, input=order, capture_output=True, check=False)
        return done.returncode, done.stdout.decode()

    control(library)
    assert trial() == (0, "")
    assert trial("of another bundle") == (1, "its files changed after it was probed\n")
    control(library, "invoke segfault")
    assert trial()[0] == -11
    control(library, "create fail no firmware")
    status, said = trial()
    assert status == 1
    assert "no firmware" in said


# Custom operators


def test_a_library_of_custom_operators_makes_the_model_run(
    runtime: RuntimeName, tmp_path: Path, build_library: BuildLibrary
) -> None:
    library = build_library("custom_op.cpp", "libops.so")
    (tmp_path / "m.tflite").write_bytes(make_tflite(custom_operator="Twice"))
    bundle = load_bundle(tmp_path / "m.tflite", decoder="unused")
    with pytest.raises(ModelRejected, match="Twice") as caught:
        Engine(bundle, runtime=runtime)
    assert "custom_ops" in caught.value.hint
    assert doubled(Engine(bundle, runtime=runtime, custom_ops=(f"{library}:RegisterTwice",))) == [2.0 * n for n in range(8)]
    with pytest.raises(CustomOpsUnusable, match="no such function"):
        Engine(bundle, runtime=runtime, custom_ops=(f"{library}:RegisterThrice",))
    with pytest.raises(CustomOpsUnusable, match="cannot be loaded"):
        Engine(bundle, runtime=runtime, custom_ops=("libnone-such.so:Register",))


async def test_custom_operators_work_in_the_sandbox_of_the_probe_and_their_absence_is_explained(
    runtime: RuntimeName, tmp_path: Path, build_library: BuildLibrary
) -> None:
    library = build_library("custom_op.cpp", "libops.so")
    model = tmp_path / "m.tflite"
    model.write_bytes(make_tflite(custom_operator="Twice"))

    def request(*custom_ops: str) -> Request:
        settings = ModelSettings(bundle=str(model), runtime=runtime, custom_ops=custom_ops, threads=1)
        return Request(path=str(model), settings=settings, memory_bytes=1 << 30, deadline_s=60, decoder="unused")

    async with Prober() as prober:
        there = await prober.probe(request(f"{library}:RegisterTwice"))
        assert "load" in [passed.step for passed in there.passed]  # which runs it once; only its input is no picture
        for custom_ops, fault, says in (((), "unsupported op", "Twice"), (("libnone-such.so:X",), "delegate", "cannot be loaded")):
            refusal = (await prober.probe(request(*custom_ops))).refusal
            assert refusal is not None
            assert (refusal.fault, says in refusal.message) == (fault, True)


def test_a_runtime_that_is_not_installed_comes_with_the_command_that_installs_it(toy: Bundle) -> None:
    if "tflite-runtime" in installed():
        assert Engine(toy, runtime="tflite-runtime").info.runtime.startswith("tflite-runtime 2.")
        return
    with pytest.raises(RuntimeUnavailable) as caught:
        Engine(toy, runtime="tflite-runtime")
    assert "pip install" in caught.value.hint
