"""Which Edge TPUs are seen, from a tree like /sys and /dev."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.core.errors import DelegateFailed
from edged.infer.delegate import Accelerator, choose
from edged.infer.edgetpu import find_edgetpus, matching, trouble
from edged.infer.settings import EdgeTpuSettings, ExternalSettings, ModelSettings
from edged.testing.sysfs import plug_in

EDGETPU = ModelSettings(bundle="./m", delegate="edgetpu")


def test_both_usb_ids_and_pcie_are_found_and_nothing_else(tmp_path: Path) -> None:
    assert find_edgetpus(tmp_path) == ()
    plug_in(tmp_path, "1-1", ids=("1a6e", "089a"), number=4)
    plug_in(tmp_path, "2-1", ids=("18d1", "9302"), number=5)
    plug_in(tmp_path, "usb1", ids=("1d6b", "0002"), number=1)
    (tmp_path / "sys/bus/usb/devices/1-1:1.0").mkdir()
    (tmp_path / "dev/apex_0").touch()
    found = find_edgetpus(tmp_path)
    assert [(tpu.kind, str(tpu.node.relative_to(tmp_path))) for tpu in found] == [
        ("pci", "dev/apex_0"),
        ("usb", "dev/bus/usb/001/004"),
        ("usb", "dev/bus/usb/001/005"),
    ]
    for device, count in {"": 3, "usb": 2, "pci": 1, ":2": 3, ":3": 0, "usb:1": 2, "usb:2": 0, "pci:0": 1, "pci:1": 0}.items():
        assert len(matching(found, device)) == count, device


def test_a_device_that_vanishes_while_it_is_read_is_not_there(tmp_path: Path) -> None:
    directory = plug_in(tmp_path, "1-1")
    (directory / "devnum").unlink()
    assert find_edgetpus(tmp_path) == ()
    shutil.rmtree(directory)
    assert find_edgetpus(tmp_path) == ()


def test_what_is_wrong_comes_with_what_to_do(tmp_path: Path) -> None:
    absent = trouble("", tmp_path)
    assert absent is not None
    assert (absent.fault, absent.message) == ("absent", "no Edge TPU is connected")
    assert "lsusb" in absent.hint
    plug_in(tmp_path, "1-1")
    assert trouble("", tmp_path) is None
    other = trouble("pci", tmp_path)
    assert other is not None
    assert "'pci'" in other.message


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that others can read too."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def test_a_device_without_permission_is_told_from_none(public: Path) -> None:
    plug_in(public, "1-1")
    (public / "dev/bus/usb/001/004").chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may open everything
    try:
        found = trouble("", public)
    finally:
        os.seteuid(user)
    assert found is not None
    assert found.fault == "no permission"
    assert "plugdev" in found.hint


def test_a_container_without_the_device_node_is_told(tmp_path: Path) -> None:
    plug_in(tmp_path, "1-1")
    (tmp_path / "dev/bus/usb/001/004").unlink()
    found = trouble("", tmp_path)
    assert found is not None
    assert found.fault == "no node"


def test_auto_takes_the_edge_tpu_only_for_a_bundle_that_has_a_variant_for_it(tmp_path: Path) -> None:
    auto = ModelSettings(bundle="./m")
    assert choose(auto, {"cpu"}, tmp_path) is None
    with pytest.raises(DelegateFailed, match="no Edge TPU is connected"):
        choose(auto, {"cpu", "edgetpu"}, tmp_path)
    plug_in(tmp_path, "1-1")
    assert choose(auto, {"cpu"}, tmp_path) is None
    assert choose(auto, {"cpu", "edgetpu"}, tmp_path) == Accelerator("edgetpu", "edgetpu", "libedgetpu.so.1", {}, tmp_path)
    assert choose(ModelSettings(bundle="./m", delegate="xnnpack"), {"cpu", "edgetpu"}, tmp_path) is None


def test_what_is_named_is_taken_or_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(DelegateFailed, match="has no variant") as caught:
        choose(EDGETPU, {"cpu"}, tmp_path)
    assert "edgetpu_compiler" in caught.value.hint
    plug_in(tmp_path, "1-1")
    second = ModelSettings(bundle="./m", delegate="edgetpu", edgetpu=EdgeTpuSettings(device="usb:1", library="/opt/libedgetpu.so"))
    with pytest.raises(DelegateFailed, match="'usb:1'"):
        choose(second, {"cpu", "edgetpu"}, tmp_path)
    plug_in(tmp_path, "1-2", number=5)
    assert choose(second, {"cpu", "edgetpu"}, tmp_path) == Accelerator(
        "edgetpu", "edgetpu", "/opt/libedgetpu.so", {"device": "usb:1"}, tmp_path
    )
    external = ModelSettings(bundle="./m", delegate="external", external=ExternalSettings(library="libnpu.so", options={"a": "b"}))
    assert choose(external, {"cpu"}, tmp_path) == Accelerator("external", "cpu", "libnpu.so", {"a": "b"}, tmp_path)
