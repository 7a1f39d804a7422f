"""The native engine on emulated Cortex-M3, M7 and M55: the bytes of TensorFlow Lite Micro, in a bounded number of instructions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from batches import PROGRAM, run_batch
from building import built
from cores import BENCH, CORES, run
from model_sketch import Case
from native_engine import by_reference, reference

from edged.testing.tflite_graph import GraphWriter

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


TOO_LARGE = 5  # of edged::Status


def pointwise(side: int, channels: int, dtype: str = "int8") -> Case:
    """A convolution of one pixel each: ``side`` times itself times ``channels`` times itself multiply-accumulates."""
    writer = GraphWriter()
    scale, scales = ({}, {}) if dtype == "float32" else ({"scale": (1.0,), "zero_point": (0,)}, {"scale": (1.0,)})
    x, out = (writer.tensor((1, side, side, channels), dtype, **scale) for _ in range(2))
    weights = writer.tensor((channels, 1, 1, channels), dtype, **scales, data=np.zeros((channels, 1, 1, channels), dtype))
    writer.operator("CONV_2D", [x, weights, -1], [out], strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
    return Case(writer.finish([x], [out]), [], f"{dtype} {side} {channels}")


def test_what_would_end_in_the_watchdog_is_refused() -> None:
    """In 8 s a core of 25 MHz has 40 million steps, one of 32 MHz 51 million; without an FPU a step of float32 is twenty."""
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("no qemu-system-arm: scripts/test installs it")
    cases = [pointwise(16, 360), pointwise(16, 396), pointwise(12, 84, "float32"), pointwise(12, 120, "float32")]
    for machine, slow in {"mps2-an385": [False, True, False, True], "mps3-an547": [False] * 4}.items():
        loaded = run_batch(built(machine, PROGRAM).with_suffix(".elf"), machine, cases)
        assert [status for status, _ in loaded] == [TOO_LARGE if it else 0 for it in slow], machine
