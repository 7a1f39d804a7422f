"""The fuzzers of the firmware hold for some seconds; `scripts/fuzz firmware --seconds N` runs them for longer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from building import built

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
"""Of running, shared by the targets."""

STUBS = Path("/usr/include/x86_64-linux-gnu/gnu/stubs-32.h")
"""Of the C library, where programs for 32 bits can be built."""


def fuzz(*words: object) -> set[str]:
    """The targets that held."""
    command = [sys.executable, ROOT / "scripts" / "fuzzing", "firmware", *map(str, words), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result = json.loads(done.stdout)
    assert done.returncode == 0, [one["said"] for one in result["targets"].values() if not one["held"]]
    assert all(one["inputs"] > 100 for one in result["targets"].values()), "each of them did run"
    return set(result["targets"])


def test_every_target_holds(tmp_path: Path) -> None:
    built("host-asan", "fuzzers")
    assert {"fuzz_smp", "fuzz_report"} <= fuzz("--seconds", SECONDS, "--keep", tmp_path)


def test_the_reader_of_models_holds_with_sizes_of_a_microcontroller(tmp_path: Path) -> None:
    if not STUBS.exists():
        pytest.skip("no C library for 32 bits: scripts/test installs it (g++-multilib)")
    built("fuzz-32", "fuzz_model")
    assert fuzz("fuzz_model", "--bits", 32, "--seconds", SECONDS // 4, "--keep", tmp_path) == {"fuzz_model"}
