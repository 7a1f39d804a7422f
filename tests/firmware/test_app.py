"""The tests of firmware/app, as they are and with the sanitizers."""

from __future__ import annotations

import subprocess

import pytest
from building import built


@pytest.mark.parametrize("preset", ["host", "host-asan"])
def test_app(preset: str) -> None:
    done = subprocess.run([built(preset, "app_test"), "--gtest_brief=1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
