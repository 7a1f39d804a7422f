"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from edged.infer.runtime import installed
from edged.infer.settings import RuntimeName

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


@pytest.fixture(scope="session")
def build_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Compiles a source of tests/native into a shared library called as asked for, in a directory of its own."""

    def build(source: str, name: str) -> Path:
        library = tmp_path_factory.mktemp("native") / name
        path = Path(__file__).parent / "native" / source
        compiler = ["g++", "-std=c++17"] if path.suffix == ".cpp" else ["gcc", "-std=c11"]
        subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", path, "-o", library], check=True)
        return library

    return build


@pytest.fixture(params=installed())
def runtime(request: pytest.FixtureRequest) -> RuntimeName:
    """Every runtime that is installed, one after the other."""
    return request.param  # type: ignore[no-any-return]
