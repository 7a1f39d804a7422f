"""What ``scripts/faults powercut`` needs, as far as it can be had without root; ``tests/unit/test_block_log.py`` has the cuts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faults import cut_download
from faults.calls import examine
from faults.powercut import MUTANTS, SUBJECTS, Mutant

DOWNLOAD = cut_download.SUBJECT
STOPPED_AT = 5


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """The directory of a download that was stopped."""
    place = DOWNLOAD.place(tmp_path)
    command = [sys.executable, "-B", DOWNLOAD.worker, place, "0", str(STOPPED_AT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [int(line) for line in done.stdout.split()] == list(range(1, STOPPED_AT + 1))
    return place


def problems(place: Path, tmp_path: Path) -> list[str]:
    return list(examine(DOWNLOAD, DOWNLOAD.states(tmp_path / "reference"), place, 0, range(1, STOPPED_AT + 1)))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_can_be_made(mutant: Mutant, tmp_path: Path) -> None:
    assert mutant.subject in SUBJECTS
    assert mutant.make(tmp_path) or "nobarrier" in mutant.options


def test_a_download_that_was_stopped_goes_on(fetched: Path, tmp_path: Path) -> None:
    assert problems(fetched, tmp_path) == []


def test_a_chunk_that_is_gone_is_noticed(fetched: Path, tmp_path: Path) -> None:
    (part,) = fetched.glob("*.part")
    with part.open("r+b") as file:
        file.write(bytes(100))  # of chunk 0, the second that came
    assert problems(fetched, tmp_path) == [f"neither as before nor as after step {STOPPED_AT + 1}"]


def test_an_index_that_is_another_is_noticed(fetched: Path, tmp_path: Path) -> None:
    (index,) = fetched.glob("*.index")
    index.write_bytes(b"other")
    assert problems(fetched, tmp_path)[0] == "the index is another"
