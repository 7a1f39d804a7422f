"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("edged", deadline=None)  # how long an example takes says how busy the machine is, no more
hypothesis.settings.load_profile("edged")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real models and clips; skips where it is absent, except in CI."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("EDGED_TEST_DATA", default))
    if not (path / "models").is_dir():
        message = f"no test data in {path}: set EDGED_TEST_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture
def mounting() -> list[str]:
    """A command prefix under which a file system can be mounted without harm to anyone else."""
    prefix = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    return prefix
