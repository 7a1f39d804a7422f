"""An installer killed at its system calls, and the order of these calls. ``scripts/faults install`` kills at every one."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import calls, killed_install
from faults.install_order import Medium, record
from faults.mutant import mutate

EVERY_NTH = 8


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    directory = tmp_path / "scratch"
    directory.mkdir()
    return directory


def run(scratch: Path, every: int = EVERY_NTH, environment: dict[str, str] | None = None) -> calls.Outcome:
    return calls.run(scratch, every, lambda *_: None, environment, killed_install.SUBJECT)


def followed(place: Path, environment: dict[str, str]) -> Medium:
    medium = Medium(place)
    medium.follow(record(place, environment))
    return medium


def test_killed_at_any_call_a_device_has_the_old_or_the_new(scratch: Path) -> None:
    outcome = run(scratch)
    assert outcome.problems == []
    assert sum(outcome.killed.values()) == outcome.points > 20


def test_a_bundle_that_has_its_name_before_it_is_whole_is_noticed(scratch: Path, tmp_path: Path) -> None:
    too_early = (
        "            _fill(blob, temporary)\n",
        "            temporary = temporary.rename(into)\n            _fill(blob, into)\n",
    )
    outcome = run(scratch, EVERY_NTH, mutate(tmp_path / "mutant", "ota/package.py", *too_early))
    assert any("is not whole" in problem for problem in outcome.problems)


def test_an_update_is_on_the_medium_before_it_is_confirmed(scratch: Path) -> None:
    medium = followed(scratch / "ota", {})
    assert medium.problems == []
    assert medium.confirmed == killed_install.SUBJECT.steps


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("core/durable.py", "            os.fsync(file.fileno())\n", "", "gets its name before"),
        ("core/durable.py", "    sync_directory(path.parent)\n", "", "its slots may be lost"),
        ("ota/package.py", "        sync_directory(into.parent)\n", "", "the slots name what may be lost"),
        ("ota/package.py", "                os.fsync(member.fileno())\n", "", "gets its name before"),
        ("ota/blobs.py", "        if going:\n            sync_directory(self._directory)\n", "", "may still have its name"),
    ],
)
def test_a_sync_that_is_left_out_is_noticed(scratch: Path, tmp_path: Path, file: str, old: str, new: str, problem: str) -> None:
    medium = followed(scratch / "ota", mutate(tmp_path / "mutant", file, old, new))
    assert any(problem in found for found in medium.problems), medium.problems
