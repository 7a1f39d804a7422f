from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from edged.daemon.clock import STA_UNSYNC, TIME_ERROR, Timex, quality_of, read_clock
from edged.daemon.doctor.accelerator import check_accelerator, check_edgetpus
from edged.daemon.doctor.camera import check_camera, check_devices
from edged.daemon.doctor.examination import examine
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.machine import check_clock, check_power, check_python, check_runtime
from edged.daemon.doctor.storage import LEAST_FREE_MIB, check_disk, check_state_directory
from edged.daemon.doctor.together import Check, run_together
from edged.infer.settings import Delegate, EdgeTpuSettings, ModelSettings
from edged.sources.devices import V4l2Camera
from edged.sources.settings import FileSettings, LibcameraSettings, SyntheticSettings, V4l2Settings
from edged.testing.sysfs import plug_in
from edged.testing.tflite import make_tflite
from edged.vision.settings import CameraSettings

WEBCAM = V4l2Camera(Path("/dev/video0"), Path("/dev/v4l/by-id/usb-webcam"), "Webcam C270", accessible=True)
LOCKED = V4l2Camera(Path("/dev/video2"), None, "Pi camera", accessible=False)


# The clock


def test_the_kernel_says_whether_the_clock_is_disciplined() -> None:
    assert quality_of(0, 0) == "synchronised"
    assert quality_of(0, STA_UNSYNC) == "unsynchronised"
    assert quality_of(TIME_ERROR, 0) == "unsynchronised"


def test_both_clocks_are_read_together() -> None:
    first, second = read_clock(), read_clock()
    assert second.monotonic_ns >= first.monotonic_ns
    drift = (second.unix_ns - first.unix_ns) - (second.monotonic_ns - first.monotonic_ns)
    assert abs(drift) < 1_000_000_000
    assert first.quality in {"synchronised", "unsynchronised"}


def test_the_kernel_finds_room_for_its_answer() -> None:
    # struct timex has 208 bytes on 64-bit Linux (<linux/timex.h>), and the kernel writes all of it.
    assert ctypes.sizeof(Timex) >= 208


def test_the_clock_check_tells_all_three_cases() -> None:
    def denied() -> tuple[int, int]:
        raise PermissionError(1, "Operation not permitted")

    assert check_clock(lambda: (0, 0)).status == "ok"
    assert check_clock(lambda: (TIME_ERROR, STA_UNSYNC)).status == "warn"
    assert "Operation not permitted" in check_clock(denied).what


# The machine


def test_only_tested_pythons_pass() -> None:
    assert check_python((3, 12)).status == "ok"
    assert check_python((3, 14)).status == "fail"
    assert check_python().status == "ok"


def test_the_runtime_really_runs_a_model_with_xnnpack() -> None:
    found = check_runtime()
    assert (found.status, found.what.split()[0]) == ("ok", "ai-edge-litert")


@pytest.mark.parametrize(
    ("bits", "status", "words"),
    [
        ("0\n", "ok", "no under-voltage"),
        ("50005\n", "warn", "now: under-voltage, throttled"),
        ("50000\n", "warn", "since the start: under-voltage, throttled"),
        ("80008\n", "warn", "now: soft temperature limit"),
    ],
)
def test_a_pi_tells_of_bad_power(tmp_path: Path, bits: str, status: str, words: str) -> None:
    file = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text(bits)
    found = check_power(tmp_path)
    assert (found.status, words in found.what) == (status, True)
    assert ("supply" in found.fix) == ("under-voltage" in found.what and status == "warn")


def test_other_machines_have_no_such_report(tmp_path: Path) -> None:
    assert check_power(tmp_path).status == "skip"


# The state directory


def test_the_state_directory_has_to_be_ours(tmp_path: Path) -> None:
    assert check_state_directory(tmp_path).status == "ok"
    assert "first start" in check_state_directory(tmp_path / "a/b").what
    (tmp_path / "file").touch()
    assert check_state_directory(tmp_path / "file").status == "fail"
    assert check_state_directory(tmp_path / "file/below").status == "fail"
    tmp_path.chmod(0o777)
    assert check_state_directory(tmp_path).status == "warn"


def test_space_is_measured_against_the_stores_bound(tmp_path: Path) -> None:
    assert check_disk(tmp_path, 256, lambda _: 1000).status == "ok"
    assert check_disk(tmp_path, 256, lambda _: 255).status == "warn"
    assert check_disk(tmp_path, 256, lambda _: LEAST_FREE_MIB - 1).status == "fail"
    assert check_disk(tmp_path / "not/yet", 0).what.endswith(f"for {tmp_path / 'not/yet'}")


# Cameras and models


def test_devices_are_listed_or_explained() -> None:
    assert check_devices([]).status == "warn"
    assert check_devices([WEBCAM]).what == "/dev/video0 (Webcam C270)"
    locked = check_devices([WEBCAM, LOCKED])
    assert (locked.status, "/dev/video2" in locked.what, "usermod" in locked.fix) == ("fail", True, True)


@pytest.mark.parametrize(
    ("device", "found", "status", "words"),
    [
        (0, [WEBCAM], "ok", "Webcam"),
        ("/dev/v4l/by-id/usb-webcam", [WEBCAM], "ok", "Webcam"),
        (2, [WEBCAM, LOCKED], "fail", "no permission"),
        (7, [WEBCAM], "fail", "/dev/video7 is no camera"),
        ("/dev/null", [WEBCAM], "fail", "/dev/null is no camera"),
    ],
)
def test_a_configured_camera_has_to_be_there(device: int | str, found: Sequence[V4l2Camera], status: str, words: str) -> None:
    finding = check_camera("door", CameraSettings(model="m", v4l2=V4l2Settings(device=device)), found)
    assert (finding.name, finding.status, words in finding.what) == ("camera door", status, True)


def test_a_csi_camera_needs_picamera2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = CameraSettings(model="m", libcamera=LibcameraSettings())
    missing = check_camera("door", settings, ())
    assert (missing.status, "apt install python3-picamera2" in missing.fix) == ("fail", True)
    (tmp_path / "picamera2.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert check_camera("door", settings, ()).status == "ok"


def test_recordings_have_to_be_readable(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    for path, status in ((tmp_path, "ok"), (tmp_path / "clip.mp4", "ok"), (tmp_path / "absent.mp4", "fail")):
        assert check_camera("c", CameraSettings(model="m", file=FileSettings(path=path)), ()).status == status
    assert check_camera("c", CameraSettings(model="m", synthetic=SyntheticSettings()), ()).status == "ok"


# Accelerators


def test_an_edge_tpu_is_listed_or_explained(tmp_path: Path) -> None:
    assert check_edgetpus(tmp_path).status == "skip"
    plug_in(tmp_path, "1-1")
    without_library = check_edgetpus(tmp_path)
    assert (without_library.status, "libedgetpu.so.1" in without_library.what) == ("fail", True)
    assert "libedgetpu1-std" in without_library.fix
    (tmp_path / "dev/bus/usb/001/004").unlink()
    assert "no device node" in check_edgetpus(tmp_path).what


def test_a_model_is_told_whether_its_accelerator_can_be_had(tmp_path: Path) -> None:
    for name in ("m", "m_edgetpu"):
        (tmp_path / f"{name}.tflite").write_bytes(make_tflite())
    manifest = 'name = "m"\n[files]\ncpu = "m.tflite"\nedgetpu = "m_edgetpu.tflite"\n[decoder]\nname = "ssd_postprocess"\n'
    (tmp_path / "model.toml").write_text(manifest)

    def found(delegate: Delegate, library: str = "libm.so.6", bundle: str = f"{tmp_path}/") -> list[tuple[str, str]]:
        settings = ModelSettings(bundle=bundle, delegate=delegate, edgetpu=EdgeTpuSettings(library=library))
        return [(finding.status, finding.fix) for finding in check_accelerator("m", settings, tmp_path)]

    assert found("xnnpack") == []
    assert found("edgetpu", bundle=f"{tmp_path}/absent.tflite") == []
    assert [status for status, _ in found("auto") + found("edgetpu")] == ["warn", "fail"]
    plug_in(tmp_path, "1-1")
    assert found("auto") == found("edgetpu") == [("ok", "")]  # it loads; what it is shows at the start
    ((status, fix),) = found("edgetpu", "libnone-such.so")
    assert (status, "libedgetpu1-std" in fix) == ("fail", True)


# All of it


def test_without_a_configuration_the_machine_alone_is_examined() -> None:
    names = [finding.name for finding in examine(None) if not finding.name.startswith("runtime ")]
    assert names == ["python", "runtime", "clock", "power", "service", "state", "disk", "store", "daemon", "cameras", "edgetpu"]


def test_a_configuration_is_examined_part_by_part(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(make_tflite(custom_operator="TFLite_Detection_PostProcess"))
    config = tmp_path / "edged.toml"
    config.write_text(
        """
        [device]
        state_directory = "state"
        [models.m]
        bundle = "./m.tflite"
        [cameras.door]
        model = "m"
        file = { path = "absent.mp4" }
        """
    )
    found = {finding.name: finding.status for finding in examine(config) if not finding.name.startswith("runtime ")}
    assert list(found)[5:] == ["config", "state", "disk", "store", "daemon", "camera door", "model m", "broker"]
    assert (found["camera door"], found["model m"], found["broker"]) == ("fail", "fail", "skip")


def test_findings_come_in_the_order_of_the_checks_and_a_fault_of_a_check_is_not_swallowed() -> None:
    later = threading.Event()

    def waits() -> Finding:
        later.wait()
        return Finding("first", "ok", "")

    def lets_go() -> list[Finding]:
        later.set()
        return [Finding("second", "ok", "a"), Finding("second", "warn", "b")]

    def fails() -> Finding:
        raise ZeroDivisionError

    checks = [Check("first", waits), Check("second", lets_go, heavy=True), Check("third", list), Check("fourth", fails)]
    found = run_together(checks)
    assert [next(found).what for _ in range(3)] == ["", "a", "b"]
    with pytest.raises(ZeroDivisionError):
        next(found)
