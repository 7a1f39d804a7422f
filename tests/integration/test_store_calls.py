"""The store killed at its system calls, and the order of these calls. ``scripts/faults calls`` kills at every one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from faults import calls
from faults.mutant import mutate
from faults.order import Medium, record
from faults.worker import STEPS

EVERY_NTH = 8


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    directory = tmp_path / "scratch"
    directory.mkdir()
    return directory


def test_killed_at_any_call_the_store_is_as_before_or_after_the_step(scratch: Path) -> None:
    outcome = calls.run(scratch, EVERY_NTH, lambda *_: None)
    assert outcome.problems == []
    assert sum(outcome.killed.values()) == outcome.points > 20


def test_the_script_says_what_it_found() -> None:
    command = [sys.executable, "-m", "faults", "calls", "--every", "1000", "--json"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert sum(result["killed"].values()) == result["points"] > 5
    assert result["problems"] == []


def test_steps_that_are_not_one_transaction_are_noticed(scratch: Path, tmp_path: Path) -> None:
    two = '    db.execute("COMMIT")\n    db.execute("BEGIN")\n    events = []\n'
    environment = mutate(tmp_path / "mutant", "store/events.py", "    events = []\n", two)
    outcome = calls.run(scratch, 2 * EVERY_NTH, lambda *_: None, environment)
    assert any("neither as before nor as after" in problem for problem in outcome.problems)


def test_a_commit_is_on_the_medium_before_it_is_confirmed(scratch: Path) -> None:
    database = scratch / "events.db"
    medium = Medium(database)
    medium.follow(record(database, {}))
    assert medium.problems == []
    assert medium.confirmed == len(STEPS)


def test_a_commit_that_is_not_synced_is_noticed(scratch: Path, tmp_path: Path) -> None:
    database = scratch / "events.db"
    medium = Medium(database)
    medium.follow(
        record(database, mutate(tmp_path / "mutant", "store/db.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"))
    )
    assert len(medium.problems) >= len(STEPS)
    assert all("before its commit is on the medium" in problem for problem in medium.problems)
