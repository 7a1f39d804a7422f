"""What firmware/boot and firmware/ports test in C++."""

from __future__ import annotations

import subprocess

import pytest
from building import built


@pytest.mark.parametrize(
    ("preset", "program"),
    [
        ("host", "boot_test"),
        ("host-asan", "boot_test"),
        ("host", "boot_power_cut_test"),
        ("host", "ports_test"),
        ("host-asan", "ports_test"),
    ],
)
def test_boot(preset: str, program: str) -> None:
    done = subprocess.run([built(preset, program)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
