"""Another machine's /sys and /proc, and our own."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from edged.daemon.machine import MAX_SENSORS, Throttling, read_machine, read_process, read_temperatures, read_throttling


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    write(tmp_path / "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", "48312\n")
    write(tmp_path / "sys/class/hwmon/hwmon0/name", "cpu_thermal\n")  # the same sensor once more
    write(tmp_path / "sys/class/hwmon/hwmon0/temp1_input", "48999\n")
    write(tmp_path / "sys/class/hwmon/hwmon1/name", "nvme\n")
    write(tmp_path / "sys/class/hwmon/hwmon1/temp1_input", "39000\n")
    write(tmp_path / "sys/class/hwmon/hwmon1/temp2_input", "41000\n")
    write(tmp_path / "sys/class/hwmon/hwmon2/name", "asleep\n")
    write(tmp_path / "sys/class/hwmon/hwmon2/temp1_input", "no number\n")
    write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", "d0005\n")
    return tmp_path


def test_temperatures_have_the_kernels_names_and_come_once(pi: Path) -> None:
    assert read_temperatures(pi) == {"cpu-thermal": 48.312, "nvme-1": 39.0, "nvme-2": 41.0}


def test_number_of_sensors_is_bounded(tmp_path: Path) -> None:
    for number in range(100):
        write(tmp_path / f"sys/class/thermal/thermal_zone{number}/type", f"zone{number}")
        write(tmp_path / f"sys/class/thermal/thermal_zone{number}/temp", "1000")
    assert len(read_temperatures(tmp_path)) == MAX_SENSORS


def test_throttling_tells_now_from_before(pi: Path) -> None:
    before = ("undervoltage", "throttled", "soft_temperature_limit")
    assert read_throttling(pi) == Throttling(now=("undervoltage", "throttled"), since_boot=before)


def test_machine_that_tells_nothing_is_no_fault(tmp_path: Path) -> None:
    found = read_machine(tmp_path / "gone", tmp_path)
    assert (found.temperatures, found.throttling, found.disk_free_bytes) == ({}, None, None)
    write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", "")
    assert read_machine(tmp_path, tmp_path).throttling is None
    assert (read_machine(tmp_path, tmp_path).disk_free_bytes or 0) > 0


def test_our_own_use_is_seen() -> None:
    gc.collect()  # what others left open is not to go meanwhile
    before = read_process(os.getpid())
    with ExitStack() as held:
        for _ in range(10):
            held.enter_context(Path("/dev/null").open())
        after = read_process(os.getpid())
    assert before and after
    assert after.fds == before.fds + 10
    assert after.cpu_s >= before.cpu_s > 0
    assert after.rss_bytes > 10_000_000
    assert after.threads >= 1
    assert after.started == before.started


def test_process_that_is_gone_has_no_use() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert read_process(child.pid) is None


def test_name_of_a_process_cannot_shift_the_fields(tmp_path: Path) -> None:
    write(tmp_path / "proc/7/stat", "7 (a) b) 1 2) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 9 0 4711 1000 25 1\n")
    (tmp_path / "proc/7/fd").mkdir()
    found = read_process(7, tmp_path)
    assert found
    assert (found.threads, found.started, found.fds) == (9, 4711, 0)
    assert found.cpu_s == 200 / os.sysconf("SC_CLK_TCK")
    assert found.rss_bytes == 25 * os.sysconf("SC_PAGE_SIZE")
