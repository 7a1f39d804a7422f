"""Firmware out of an installed edged, where there is no checkout: what the wheel carries builds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from building import need_tools

ROOT = Path(__file__).resolve().parents[2]

BUILD_S = 240
"""A compiler on a busy machine; no measure of speed."""


def test_what_a_wheel_carries_builds(tmp_path: Path) -> None:
    need_tools("host")
    site, desk = tmp_path / "site", tmp_path / "desk"
    desk.mkdir()
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for package in wheel["packages"]:
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    for source, target in wheel["force-include"].items():
        (site / target).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, site / target)

    def done(*words: str) -> dict[str, object]:
        command = [sys.executable, "-m", "edged", "mcu", "build", *words, "--json"]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        ran = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return dict(json.loads(ran.stdout))

    assert {"host", "emcraft-sf2", "generic"} <= set(done()["boards"])  # type: ignore[call-overload]
    built = desk / "build/firmware/host/edged-mcu"
    assert list(done("host")["files"]) == [str(built)]  # type: ignore[call-overload]
    configured = (built.parent / "CMakeCache.txt").read_text()
    assert f"CMAKE_HOME_DIRECTORY:INTERNAL={site}/edged/files/firmware" in configured
    assert "usage" in subprocess.run([built, "--help"], capture_output=True, text=True, check=False).stderr.lower()
