from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

import pytest

from edged.core.errors import StoreFailed
from edged.store.db import mark_clean, open_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def epoch(path: Path, *, clean: bool = True) -> str:
    db = open_database(path)
    (found,) = db.execute("SELECT epoch FROM ledger").fetchone()
    if clean:
        mark_clean(db)
    db.close()
    return str(found)


def test_the_epoch_is_drawn_once(path: Path, tmp_path: Path) -> None:
    first = epoch(path)
    assert len(first) == 8
    assert int(first, 16) >= 0
    assert epoch(path) == first
    assert epoch(tmp_path / "other.db") != first


def test_commits_survive_a_power_cut(path: Path) -> None:
    db = open_database(path)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    db.close()


def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    epoch(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="schema 99") as caught:
        open_database(path)
    assert "newer edged" in caught.value.hint
    assert path.read_bytes() == before


def test_a_foreign_database_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE recipe (name TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="not an event store"):
        open_database(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_moved_aside_and_said(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rubbish = b"not a database " * 1000
    path.write_bytes(rubbish)
    assert epoch(path)
    assert path.with_name("events.db.broken").read_bytes() == rubbish
    assert "events.db.broken" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


def fill_and_break(path: Path, *, clean: bool) -> bytes:
    """Overwrite a page in the middle of the event table."""
    db = open_database(path)
    db.execute("BEGIN")
    for seq in range(1, 2000):
        db.execute("INSERT INTO event VALUES (?, 0, 'synchronised', 'source_lost', ?)", (seq, os.urandom(200)))
    db.execute("COMMIT")
    if clean:
        mark_clean(db)
    db.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    return bytes(content)


def test_after_a_crash_every_page_is_checked(path: Path) -> None:
    content = fill_and_break(path, clean=False)
    db = open_database(path)
    assert db.execute("SELECT count(*) FROM event").fetchone() == (0,)
    db.close()
    assert path.with_name("events.db.broken").read_bytes() == content


def test_a_second_broken_file_replaces_the_first_and_says_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"first " * 500)
    epoch(path)
    path.write_bytes(b"second " * 500)
    epoch(path)
    assert path.with_name("events.db.broken").read_bytes() == b"second " * 500
    assert "replaced" in caplog.records[-1].message


def test_a_directory_that_is_missing_is_explained(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match=r"events\.db") as caught:
        open_database(tmp_path / "missing" / "events.db")
    assert "directory" in caught.value.hint
