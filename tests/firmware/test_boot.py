"""What firmware/boot and firmware/ports test in C++."""

from __future__ import annotations

import subprocess
from pathlib import Path

import boot_mutants
import pytest
from boot_mutants import EARLY_CONFIRMATION, MUTANTS, UNRECORDED_TRIAL
from building import built


@pytest.mark.parametrize(
    ("preset", "program"),
    [
        ("host", "boot_test"),
        ("host-asan", "boot_test"),
        ("host", "boot_power_cut_test"),
        ("host", "ports_test"),
        ("host-asan", "ports_test"),
    ],
)
def test_boot(preset: str, program: str) -> None:
    done = subprocess.run([built(preset, program)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_test_of_power_cuts_fails_for_a_loader_that_is_wrong(tmp_path: Path) -> None:
    """For the worst two; ``scripts/faults mcu --mutants`` sees all of them fail, and each finds its text."""
    assert all(mutant.source() for mutant in MUTANTS)
    outcome = boot_mutants.run((EARLY_CONFIRMATION, UNRECORDED_TRIAL), tmp_path)
    assert outcome.problems == []
    assert outcome.noticed == {
        EARLY_CONFIRMATION.name: "a confirmation that was refused took effect",
        UNRECORDED_TRIAL.name: "a trial for the second time",
    }


def test_a_mutant_whose_text_is_gone_says_so() -> None:
    with pytest.raises(ValueError, match="0 times and not once"):
        boot_mutants.Mutant("none", "slots.cc", "no such text", "").source()
