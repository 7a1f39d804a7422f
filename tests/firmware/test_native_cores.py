"""The native engine on emulated Cortex-M3, M7 and M55: the bytes of TensorFlow Lite Micro, in a bounded number of instructions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from building import built
from cores import BENCH, CORES, run
from native_engine import by_reference, reference

MOST_INSTRUCTIONS = {"mps2-an385": 34_000_000, "mps2-an500": 26_500_000, "mps3-an547": 10_000_000}
"""Of person_detect, a seventh above what was measured: a loop that fell apart shows, a compiler's next version does not."""
MOST_ARENA = 95 * 1024


@pytest.mark.parametrize("machine", CORES)
def test_a_core_gives_what_tflm_gives(machine: str, test_data: Path) -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("no qemu-system-arm: scripts/test installs it")
    program = built(machine, f"{BENCH}.elf")
    random = np.random.default_rng(2)
    for name, inputs in [("person_detect", 2), ("hello_world_int8", 3), ("micro_speech_quantized", 2)]:
        model = (test_data / "models" / f"{name}.tflite").read_bytes()
        judge = reference(model)
        given = [random.integers(-128, 128, judge.get_input_details(0)["shape"]).astype(np.int8) for _ in range(inputs)]
        measured = run(program, machine, model, [one.tobytes() for one in given])
        assert measured.outputs == [by_reference(judge, [one], 1)[0].tobytes() for one in given], name
        if name == "person_detect":
            assert max(measured.instructions) < MOST_INSTRUCTIONS[machine]
            assert measured.arena_bytes <= MOST_ARENA
