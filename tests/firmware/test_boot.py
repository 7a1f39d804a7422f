"""What firmware/boot and firmware/ports test in C++."""

from __future__ import annotations

import subprocess
from pathlib import Path

import boot_mutants
import pytest
from boot_mutants import EARLY_CONFIRMATION, MUTANTS, UNCHANGED, UNRECORDED_TRIAL, NotNoticedError, first_failure
from building import built

ALL_BUT_PAIRS = "*.InAnyLife:*.WithADecay*"
"""Of boot_power_cut_test: the power goes twice some 46,000 times, which takes a minute under sanitizers."""


@pytest.mark.parametrize(
    ("preset", "program", "tests"),
    [
        ("host", "boot_test", "*"),
        ("host-asan", "boot_test", "*"),
        ("host", "boot_flipped_bits_test", "*"),
        ("host", "boot_power_cut_test", "*"),
        ("host-asan", "boot_power_cut_test", ALL_BUT_PAIRS),
        ("host", "ports_test", "*"),
        ("host-asan", "ports_test", "*"),
    ],
)
def test_boot(preset: str, program: str, tests: str) -> None:
    command = [built(preset, program), f"--gtest_filter={tests}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_test_of_power_cuts_fails_for_a_loader_that_is_wrong(tmp_path: Path) -> None:
    """For the worst two; ``scripts/faults mcu --mutants`` sees all of them fail, and each finds its text."""
    assert all(mutant.source() for mutant in MUTANTS)
    mutants = (UNCHANGED, EARLY_CONFIRMATION, UNRECORDED_TRIAL)
    outcome = boot_mutants.run(mutants, tmp_path, tests=ALL_BUT_PAIRS)
    assert outcome.problems == [f"{UNCHANGED.name}: boot_power_cut_test passes all the same"]
    assert outcome.noticed == {
        EARLY_CONFIRMATION.name: "a confirmation that was refused took effect",
        UNRECORDED_TRIAL.name: "a trial for the second time",
    }


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 0", "passes all the same"),
        ("kill -SEGV $$", "status -11, and no test failed"),
        ("echo error while loading shared libraries; exit 1", "status 1, and no test failed"),
        ("echo '[  FAILED  ] PowerCut.InAnyLife'; exit 134", "status 134"),
        ("exec sleep 60", "does not end within 0.2 s"),
    ],
)
def test_what_is_no_failed_test_is_none(script: str, says: str, tmp_path: Path) -> None:
    program = tmp_path / "test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(NotNoticedError, match=says):
        first_failure(program, within_s=0.2 if "sleep" in script else boot_mutants.WITHIN_S)


def test_a_mutant_whose_text_is_gone_says_so() -> None:
    with pytest.raises(ValueError, match="0 times and not once"):
        boot_mutants.Mutant("none", "slots.cc", "no such text", "").source()
