"""The tests of firmware/app, as they are and with the sanitizers."""

from __future__ import annotations

import subprocess

import pytest
from building import built


@pytest.mark.parametrize("program", ["app_test", "app_loop_test"])
@pytest.mark.parametrize("preset", ["host", "host-asan"])
def test_app(preset: str, program: str) -> None:
    done = subprocess.run([built(preset, program), "--gtest_brief=1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
