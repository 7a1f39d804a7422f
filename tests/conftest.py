"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
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
