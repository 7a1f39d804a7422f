"""The fuzzers of the firmware hold for some seconds; `scripts/fuzz firmware --seconds N` runs them for longer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from building import built

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 8
"""Of running, shared by the targets."""

INPUTS = 5_000
"""At least, of each target: a twentieth of what one core does in its share of the time, for a busy machine."""

EDGES = 1_500
"""Of the reader of models and the engine, which good models alone reach: with fewer, it would only see what refuses."""

STUBS = Path("/usr/include/x86_64-linux-gnu/gnu/stubs-32.h")
"""Of the C library, where programs for 32 bits can be built."""


def fuzz(*words: object) -> dict[str, int]:
    """The targets that held, and how many edges of each were seen."""
    command = [sys.executable, ROOT / "scripts" / "fuzzing", "firmware", *map(str, words), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result = json.loads(done.stdout)
    assert done.returncode == 0, [one["said"] for one in result["targets"].values() if not one["held"]]
    inputs = {name: one["inputs"] for name, one in result["targets"].items()}
    assert min(inputs.values()) >= INPUTS, inputs
    return {name: one["coverage"] for name, one in result["targets"].items()}


def test_every_target_holds(tmp_path: Path) -> None:
    built("host-asan", "fuzzers")
    edges = fuzz("--seconds", SECONDS, "--keep", tmp_path)
    assert {"fuzz_image", "fuzz_model", "fuzz_report", "fuzz_smp"} <= set(edges)
    assert edges["fuzz_model"] >= EDGES


def test_the_reader_of_models_holds_with_sizes_of_a_microcontroller(tmp_path: Path) -> None:
    if not STUBS.exists():
        pytest.skip("no C library for 32 bits: scripts/test installs it (g++-multilib)")
    built("fuzz-32", "fuzz_model")
    assert fuzz("fuzz_model", "--bits", 32, "--seconds", SECONDS // 4, "--keep", tmp_path).keys() == {"fuzz_model"}
