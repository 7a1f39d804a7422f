"""The parts of the native engine that have tests in C++, as built for this machine and under the sanitizers."""

from __future__ import annotations

import subprocess

import pytest
from building import built


@pytest.mark.parametrize("preset", ["host", "host-asan"])
def test_units(preset: str) -> None:
    done = subprocess.run([built(preset, "native_test"), "--gtest_brief=1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
