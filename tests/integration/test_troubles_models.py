"""Troubles of models and accelerators, produced and recognised."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from troubles import produces, shown_to_all, somebody

from edged.daemon.doctor.accelerator import check_accelerator, check_edgetpus
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.model import check_model
from edged.infer.bundle import load_bundle
from edged.infer.encryption import Key
from edged.infer.files import MAX_MODEL_BYTES
from edged.infer.golden import FILE_NAME
from edged.infer.runtime import installed
from edged.infer.settings import Delegate, EdgeTpuSettings, ModelSettings
from edged.testing import candidates, hostile
from edged.testing.sysfs import plug_in
from edged.testing.tflite import make_tflite
from edged.tooling.encrypt import encrypt_bundle
from edged.tooling.golden import make_golden

MANIFEST = 'name = "m"\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "blazeface"\n'
MEMORY_BYTES = 300 << 20


def bundle(directory: Path, content: bytes, manifest: str = MANIFEST) -> Path:
    (directory / "m.tflite").write_bytes(content)
    (directory / "model.toml").write_text(manifest)
    return directory


def tried(path: Path, deadline_s: float = 60.0, **settings: Any) -> Finding:
    model = ModelSettings(bundle=f"{path}", threads=1, **settings)
    return check_model("m", model, memory_bytes=MEMORY_BYTES, deadline_s=deadline_s)


@produces("model-unreadable")
def test_a_model_that_is_not_there(tmp_path: Path) -> Finding:
    return tried(tmp_path / "absent.tflite")


@produces("model-wrong-type")
def test_a_web_page_that_was_saved_as_a_model(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, b"<html>404</html>"))


@produces("model-oversized")
def test_a_disk_image_in_the_place_of_a_model(tmp_path: Path) -> Finding:
    path = bundle(tmp_path, b"")
    os.truncate(path / "m.tflite", MAX_MODEL_BYTES + 1)  # takes no room
    return tried(path)


@produces("model-truncated")
def test_a_download_that_was_cut_off(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, hostile.crashing()[:-20]))


@produces("model-corrupt")
def test_a_file_that_is_not_what_its_manifest_states(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, make_tflite(), f'{MANIFEST}[sha256]\ncpu = "{"0" * 64}"\n'))


@produces("model-unsupported-op")
def test_a_model_for_the_edge_tpu_in_the_place_of_its_cpu_variant(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, make_tflite(custom_operator="edgetpu-custom-op")))


@produces("model-does-not-fit-memory")
def test_a_model_that_is_too_large_for_the_machine(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, hostile.eating(5000)))


@produces("model-hanging")
def test_a_model_that_never_ends(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, hostile.hanging()), deadline_s=5.0)


@produces("model-crashing")
def test_a_model_that_brings_the_runtime_down(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, hostile.crashing()))


@produces("model-delegate")
def test_a_delegate_that_takes_nothing(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, hostile.hanging()), delegate="xnnpack")


@produces("model-runtime-missing")
def test_a_runtime_that_is_not_installed(tmp_path: Path) -> Finding:
    if "tflite-runtime" in installed():
        pytest.skip("it is here")
    return tried(bundle(tmp_path, make_tflite()), runtime="tflite-runtime")


@produces("model-undeclared")
def test_a_model_that_does_not_say_how_its_outputs_read(tmp_path: Path) -> Finding:
    (tmp_path / "m.tflite").write_bytes(make_tflite())
    return tried(tmp_path / "m.tflite")


@produces("model-not-finite")
def test_a_model_that_answers_with_no_numbers(tmp_path: Path) -> Finding:
    return tried(candidates.write_candidate(tmp_path, candidates.not_finite()))


@produces("model-undecipherable")
def test_an_encrypted_model_without_its_key(tmp_path: Path) -> Finding:
    path = candidates.write_candidate(tmp_path / "clear", candidates.sound())
    encrypt_bundle(load_bundle(path), Key(bytes(32)), tmp_path / "m")
    public = tmp_path / "key"
    public.write_text("0" * 64)
    public.chmod(0o644)
    assert tried(tmp_path / "m", key_file=str(public)).code == "secret-open-to-others"
    public.chmod(0o600)
    assert tried(tmp_path / "m", key_file=str(public)).status == "ok"
    assert tried(tmp_path / "m", key_credential="of-the-unit").status == "skip"
    return tried(tmp_path / "m")


@produces("model-golden-differs")
def test_a_model_that_answers_otherwise_than_where_it_was_signed(tmp_path: Path) -> Finding:
    path = candidates.write_candidate(tmp_path, candidates.sound())
    (path / FILE_NAME).write_bytes(make_golden(load_bundle(path)))
    return tried(candidates.write_candidate(tmp_path, candidates.other_answers()))


@produces("model-unfit")
def test_a_model_that_is_no_detector(tmp_path: Path) -> Finding:
    return tried(bundle(tmp_path, make_tflite()))


@produces("model-probe-fails")
def test_a_machine_on_which_no_model_can_be_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Finding:
    (tmp_path / "python").mkdir()
    (tmp_path / "python/numpy.py").write_text("raise ImportError('libopenblas.so.0: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    finding = tried(bundle(tmp_path, make_tflite()))
    assert "libopenblas" in finding.what
    return finding


@produces("model-without-labels")
def test_a_model_without_names_for_its_classes(test_data: Path) -> Finding:
    return tried(test_data / "models/ssd_mobilenet_v1_coco_quant_no_metadata.tflite")


def test_a_model_that_can_serve_says_what_it_is(test_data: Path) -> None:
    finding = tried(test_data / "models/ssd_mobilenet_v1_coco_quant.tflite")
    assert (finding.status, finding.code) == ("ok", "")
    assert "90 labels" in finding.what


# Accelerators


def wanted(
    directory: Path, root: Path, library: str = "libm.so.6", *, delegate: Delegate = "edgetpu", variant: bool = True
) -> Finding:
    """What is found of a model that is to run on an Edge TPU of the machine below ``root``."""
    (directory / "m_edgetpu.tflite").write_bytes(make_tflite())
    both = MANIFEST.replace("[decoder]", 'edgetpu = "m_edgetpu.tflite"\n[decoder]')
    bundle(directory, make_tflite(), both if variant else MANIFEST)
    settings = ModelSettings(bundle=f"{directory}/", delegate=delegate, edgetpu=EdgeTpuSettings(library=library))
    (found,) = check_accelerator("m", settings, root)
    return found


@produces("accelerator-absent")
def test_an_edge_tpu_that_is_not_connected(tmp_path: Path) -> Finding:
    assert check_edgetpus(tmp_path).status == "skip"
    assert wanted(tmp_path, tmp_path).status == "fail"
    automatic = wanted(tmp_path, tmp_path, delegate="auto")
    assert automatic.status == "warn"
    return automatic


@produces("accelerator-no-variant")
def test_a_bundle_without_anything_for_the_edge_tpu(tmp_path: Path) -> Finding:
    return wanted(tmp_path, tmp_path, variant=False)


@produces("accelerator-no-node")
def test_a_container_without_the_device(tmp_path: Path) -> Finding:
    plug_in(tmp_path, "1-1")
    (tmp_path / "dev/bus/usb/001/004").unlink()
    assert check_edgetpus(tmp_path).code == "accelerator-no-node"
    return wanted(tmp_path, tmp_path)


@produces("accelerator-no-permission")
def test_a_user_without_the_group_of_the_edge_tpu(tmp_path: Path) -> Finding:
    with shown_to_all() as root:
        plug_in(root, "1-1")
        (root / "dev/bus/usb/001/004").chmod(0)
        with somebody():
            finding = check_edgetpus(root)
    return finding


@produces("accelerator-library-missing")
def test_an_edge_tpu_without_its_library(tmp_path: Path) -> Finding:
    plug_in(tmp_path, "1-1")
    return wanted(tmp_path, tmp_path, "libnone-such.so")


@produces("accelerator-library-unusable")
def test_a_library_for_another_system(tmp_path: Path) -> Finding:
    plug_in(tmp_path, "1-1")
    (tmp_path / "libedgetpu.so.1").write_bytes(b"no ELF file" * 100)
    return wanted(tmp_path, tmp_path, str(tmp_path / "libedgetpu.so.1"))


@produces("accelerator-library-crashes")
def test_a_library_that_ends_whoever_loads_it(tmp_path: Path, build_library: Callable[[str, str], Path]) -> Finding:
    plug_in(tmp_path, "1-1")
    return wanted(tmp_path, tmp_path, str(build_library("crashing.c", "libedgetpu.so.1")))
