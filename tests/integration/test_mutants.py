"""A sample of what ``scripts/fuzz models`` does at length."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FUZZING = Path(__file__).resolve().parents[2] / "scripts" / "fuzzing"
COUNT = 240


def test_every_mutant_is_refused_for_a_reason_or_runs(test_data: Path) -> None:
    command = [sys.executable, FUZZING, "models", "--json", "--count", str(COUNT), "--seed", "7", "--data", test_data]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["held"]
    assert result["mutants"] == COUNT
    for model in result["models"].values():
        assert sum(model["outcomes"].values()) == COUNT / len(result["models"])
        assert model["memory_ratio"] <= 2
        assert {"corrupt", "truncated"} <= model["outcomes"].keys()
    assert all(model["outcomes"].get("runs") for model in result["models"].values() if model["intact"] == "runs")
    assert sum(model["intact"] == "runs" for model in result["models"].values()) >= 3
