"""The fuzzers of the firmware hold for some seconds; `scripts/fuzz firmware --seconds N` runs them for longer."""

import json
import subprocess
import sys
from pathlib import Path

from building import built

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
"""Of running, shared by the targets."""


def test_every_target_holds(tmp_path: Path) -> None:
    built("host-asan", "fuzzers")
    command = [sys.executable, ROOT / "scripts" / "fuzzing", "firmware", "--json", "--seconds", str(SECONDS), "--keep", tmp_path]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result = json.loads(done.stdout)
    assert done.returncode == 0, [one["said"] for one in result["targets"].values() if not one["held"]]
    assert {"fuzz_smp", "fuzz_report"} <= set(result["targets"])
    assert all(one["inputs"] > 100 for one in result["targets"].values()), "each of them did run"
