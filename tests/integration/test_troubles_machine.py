"""Troubles of the machine and the installation, produced and recognised."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from troubles import produces

from edged.daemon.clock import STA_UNSYNC, TIME_ERROR
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.machine import RUNTIME_CHECK, check_clock, check_power, check_python, check_runtime
from edged.daemon.doctor.service import check_service
from edged.daemon.doctor.together import Check, run_together


@produces("python-unsupported")
def test_another_python() -> Finding:
    return check_python((3, 14))


def replace_runtime(monkeypatch: pytest.MonkeyPatch, directory: Path, code: str) -> None:
    """What is imported as LiteRT from now on, in processes that are started."""
    (directory / "ai_edge_litert").mkdir()
    (directory / "ai_edge_litert/__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(directory))


@produces("runtime-broken")
def test_a_runtime_without_its_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Finding:
    replace_runtime(monkeypatch, tmp_path, "import ctypes; ctypes.CDLL('libLiteRt-none.so')")
    found = check_runtime()
    assert "libLiteRt-none.so" in found.what
    return found


@produces("runtime-crashes")
def test_a_runtime_for_another_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Finding:
    replace_runtime(monkeypatch, tmp_path, "import os; os.kill(os.getpid(), 4)")
    return check_runtime()


@produces("runtime-hangs")
def test_a_runtime_that_does_not_come_to_an_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Finding:
    replace_runtime(monkeypatch, tmp_path, "import threading; threading.Event().wait()")
    return check_runtime(within_s=1)


@produces("runtime-without-xnnpack")
def test_a_hidden_cpuinfo(mounting: list[str]) -> Finding:
    hide = 'mount -t proc -o subset=pid proc /proc && exec "$@"'  # what ProcSubset=pid of systemd does
    return check_runtime(command=(*mounting, "--pid", "--fork", "sh", "-c", hide, "sh", *RUNTIME_CHECK))


@produces("clock-unsynchronised")
def test_a_clock_that_nothing_sets() -> Finding:
    return check_clock(lambda: (TIME_ERROR, STA_UNSYNC))


@produces("clock-unreadable")
def test_a_clock_that_may_not_be_asked() -> Finding:
    def denied() -> tuple[int, int]:
        raise PermissionError(1, "Operation not permitted")

    return check_clock(denied)


def firmware(root: Path, text: str) -> Path:
    file = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return root


@produces("power-under-voltage")
def test_a_weak_power_supply(tmp_path: Path) -> Finding:
    return check_power(firmware(tmp_path, "50000\n"))


@produces("power-throttled")
def test_a_hot_processor(tmp_path: Path) -> Finding:
    return check_power(firmware(tmp_path, "80008\n"))


@produces("power-unreadable")
def test_a_firmware_that_talks_nonsense(tmp_path: Path) -> Finding:
    return check_power(firmware(tmp_path, "error=1\n"))


def unit(root: Path, program: Path) -> Path:
    file = root / "etc/systemd/system/edged.service"
    file.parent.mkdir(parents=True)
    file.write_text(f'[Service]\nExecStart="{program}" -P -m edged run /etc/edged/edged.toml\n')
    return root


@produces("service-broken")
def test_a_unit_whose_environment_was_removed(tmp_path: Path) -> Finding:
    assert check_service(tmp_path).status == "skip"
    return check_service(unit(tmp_path, tmp_path / "my venv/bin/python"))


def test_a_unit_that_starts_what_is_there_is_fine(tmp_path: Path) -> None:
    assert check_service(unit(tmp_path, Path("/bin/sh"))).status == "ok"


@produces("check-hangs")
def test_a_check_that_hangs_holds_up_nobody(tmp_path: Path) -> Finding:
    """A pipe that nobody writes to hangs whoever opens it, as the file of a network drive whose server is away does."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def hang() -> Finding:
        return Finding("drive", "ok", pipe.read_text())

    fine = Finding("fine", "ok", "it is")
    checks = [Check("drive", hang, within_s=0.1), Check("drive", hang, within_s=0.2, heavy=True), Check("fine", lambda: fine)]
    found = list(run_together(checks))
    for thread in [thread for thread in threading.enumerate() if thread.name == "doctor"]:
        while thread.is_alive():
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # somebody to write, who writes nothing
            thread.join(0.05)
    assert [finding.status for finding in found] == ["fail", "fail", "ok"]
    return found[0]
